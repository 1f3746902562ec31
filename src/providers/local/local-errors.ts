import { unavailableError, usageError } from '../../errors/vecpipe-error.ts';
import type { VecpipeError } from '../../errors/vecpipe-error.ts';
import { errorMessage } from '../../util/error-message.ts';

const WAYS_OUT =
  'put the model in a folder and set `model:` to it, choose another provider, or use the static one, which needs no download';
const FOLDER_HINT =
  'a model folder has config.json, tokenizer.json and the weights in onnx/, as transformers.js reads them';
const LONGEST_DETAIL = 200;

/** A model, folder or file that is not there, which waiting does not change. */
export function modelNotFound(message: string, hint: string = FOLDER_HINT, cause?: unknown): VecpipeError {
  return usageError('model_not_found', message, hint, cause);
}

/** A model that is not on this machine and cannot be had now. */
export function modelUnavailable(message: string, cause?: unknown): VecpipeError {
  return unavailableError('model_unavailable', message, WAYS_OUT, cause);
}

/** A file whose content contradicts its format or the other files. */
export function modelInvalid(path: string, what: string, cause?: unknown): VecpipeError {
  return usageError(
    'model_invalid',
    `the model file ${path} ${what}`,
    'delete it and have the model downloaded or copied again',
    cause,
  );
}

/** A sound model that asks for something vecpipe does not have. */
export function modelUnsupported(message: string, hint: string): VecpipeError {
  return usageError('model_unsupported', message, hint);
}

/** The optional package that runs models is not installed, or is broken. */
export function packageMissing(name: string, what: string, cause?: unknown): VecpipeError {
  return usageError(
    'provider_package_missing',
    `provider ${name} needs the optional package @xenova/transformers, which ${what}`,
    'add it with: npm install @xenova/transformers@npm:@huggingface/transformers',
    cause,
  );
}

/** A thread ended by itself. */
export function workerCrashed(name: string, error: unknown): VecpipeError {
  return unavailableError(
    'provider_worker_crashed',
    `a worker thread of provider ${name} ended unexpectedly: ${detail(error)}`,
    'run the same command again; when memory is short, set `workers: 1` for the provider',
    error,
  );
}

/** The model took a batch and could not finish it. */
export function runFailed(name: string, error: unknown): VecpipeError {
  return unavailableError(
    'model_run_failed',
    `the model of provider ${name} could not embed a batch: ${detail(error)}`,
    'check that the files of the model belong together',
    error,
  );
}

/** One line, cut: messages of native code may be pages long. */
export function detail(error: unknown): string {
  const message = errorMessage(error);
  return message.length <= LONGEST_DETAIL ? message : `${message.slice(0, LONGEST_DETAIL)}…`;
}
