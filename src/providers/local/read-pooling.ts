import type { JsonObject } from './json-file.ts';
import { modelUnsupported } from './local-errors.ts';
import type { Pooling } from './pooling.ts';

/** A mean divided by another number has the same direction, which is all that counts at unit length. */
const KNOWN: Record<string, Pooling> = {
  mean: 'mean',
  mean_tokens: 'mean',
  mean_sqrt_len_tokens: 'mean',
  cls: 'cls',
  cls_token: 'cls',
};
const FLAG = 'pooling_mode_';

/**
 * Reads the `Pooling` module of sentence-transformers
 * (https://sbert.net/docs/package_reference/sentence_transformer/models.html#sentence_transformers.models.Pooling);
 * null when the model has none or it says nothing.
 * @throws {VecpipeError} usage, `model_unsupported` for a mode that vecpipe does not have, or several at once
 */
export function readPooling(path: string, config: JsonObject | null): Pooling | null {
  if (config === null) return null;
  const modes =
    typeof config['pooling_mode'] === 'string'
      ? [config['pooling_mode']]
      : Object.keys(config)
          .filter((key) => key.startsWith(FLAG) && config[key] === true)
          .map((key) => key.slice(FLAG.length));
  const [mode] = modes;
  if (mode === undefined) return null;
  const pooling = KNOWN[mode];
  if (pooling !== undefined && modes.length === 1) return pooling;
  throw modelUnsupported(
    `the model file ${path} asks for pooling by ${modes.join(' and ')}, which vecpipe does not have`,
    'use a model that pools by mean or by its first token, or set `pooling:` of the provider if you know better',
  );
}
