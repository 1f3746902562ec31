import type { LocalProviderConfig } from '../../config/provider-config.ts';
import { usageError } from '../../errors/vecpipe-error.ts';
import { detail, modelInvalid, modelUnsupported, packageMissing, workerCrashed } from './local-errors.ts';
import type { ModelDescription } from './model-description.ts';
import { weightsFile } from './model-layout.ts';
import { ThreadBroken } from './model-thread.ts';
import type { ModelShape } from './worker-protocol.ts';

/** @throws {VecpipeError} usage: `provider_width` or `model_unsupported` when the loaded model is not what is wanted */
export function checkShape(shape: ModelShape, config: LocalProviderConfig, model: ModelDescription): void {
  if (config.dimensions !== null && config.dimensions !== shape.dimensions) {
    throw usageError(
      'provider_width',
      `the model of provider ${config.name} makes vectors of width ${shape.dimensions}, but its config says dimensions: ${config.dimensions}`,
      `set \`dimensions: ${shape.dimensions}\`, or leave it out`,
    );
  }
  if (model.furtherModules.length > 0 && shape.outputName !== 'sentence_embedding') {
    throw modelUnsupported(
      `the model ${config.modelId} of provider ${config.name} has a module ${model.furtherModules.join(' and ')} that its weights leave out`,
      'use a model that needs pooling only, or weights whose output is sentence_embedding',
    );
  }
}

/** What to tell of a thread that died before it was ready. */
export function openingError(error: unknown, config: LocalProviderConfig, model: ModelDescription): unknown {
  if (!(error instanceof ThreadBroken)) return workerCrashed(config.name, error);
  if (error.reason === 'package')
    return packageMissing(config.name, `cannot be loaded: ${detail(error)}`, error);
  return modelInvalid(
    `${model.folder}/${weightsFile(config.dtype)}`,
    `cannot be loaded: ${detail(error)}`,
    error,
  );
}
