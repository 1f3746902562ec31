import type { LocalProviderConfig } from '../../config/provider-config.ts';
import { isJsonObject } from './json-file.ts';
import type { JsonObject } from './json-file.ts';

export const CONFIG_FILE = 'config.json';
export const TOKENIZER_FILE = 'tokenizer.json';
export const TOKENIZER_CONFIG_FILE = 'tokenizer_config.json';
export const MODULES_FILE = 'modules.json';
export const POOLING_FILE = '1_Pooling/config.json';
export const PROMPTS_FILE = 'config_sentence_transformers.json';
export const LENGTH_FILE = 'sentence_bert_config.json';

/** What a model may have besides its config, tokenizer and weights, in the layout of sentence-transformers. */
export const OPTIONAL_FILES = [TOKENIZER_CONFIG_FILE, MODULES_FILE, POOLING_FILE, PROMPTS_FILE, LENGTH_FILE];

/** https://huggingface.co/docs/transformers.js/guides/dtypes */
const SUFFIXES: Record<LocalProviderConfig['dtype'], string> = {
  fp32: '',
  fp16: '_fp16',
  q8: '_quantized',
  q4: '_q4',
};

/** Where transformers.js looks for the weights of that type. */
export function weightsFile(dtype: LocalProviderConfig['dtype']): string {
  return `onnx/model${SUFFIXES[dtype]}.onnx`;
}

/**
 * Further files of the weights: those of large models are split, and `transformers.js_config` in config.json says
 * into how many parts, for all weights or by the name of a file or of the model.
 */
export function externalDataFiles(config: JsonObject, dtype: LocalProviderConfig['dtype']): string[] {
  const file = weightsFile(dtype);
  const settings = config['transformers.js_config'];
  const format = isJsonObject(settings) ? settings['use_external_data_format'] : undefined;
  const chosen = isJsonObject(format) ? (format[file.replace('onnx/', '')] ?? format['model']) : format;
  const parts = typeof chosen === 'number' ? chosen : Number(chosen === true);
  return Array.from({ length: parts }, (_part, index) => `${file}_data${index === 0 ? '' : `_${index}`}`);
}
