import { usageError } from '../../errors/vecpipe-error.ts';
import type { VecpipeError } from '../../errors/vecpipe-error.ts';
import { errorMessage } from '../../util/error-message.ts';

const FOLDER_HINT =
  'set `model:` of the provider to a folder in Model2Vec format (config.json, tokenizer.json, model.safetensors), or leave it out to use the model that ships with vecpipe';
const COPY_HINT = 'copy the model folder again from where it came from';

/** A folder or file that is not there or cannot be read. */
export function modelNotFound(message: string, cause?: unknown): VecpipeError {
  return usageError('model_not_found', message, FOLDER_HINT, cause);
}

/** The same from what the file system says. */
export function cannotOpen(named: string, error: unknown): VecpipeError {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
  const what = isMissing ? 'does not exist' : `cannot be read: ${errorMessage(error)}`;
  return modelNotFound(`${named} ${what}`, error);
}

/** A file whose content contradicts its format or the other files. */
export function invalidModel(path: string, what: string, cause?: unknown): VecpipeError {
  return usageError('model_invalid', `the model file ${path} ${what}`, COPY_HINT, cause);
}

/** A sound file that asks for something vecpipe does not have. */
export function unsupportedModel(path: string, what: string, hint: string): VecpipeError {
  return usageError('model_unsupported', `the model file ${path} ${what}`, hint);
}
