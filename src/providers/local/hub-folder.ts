import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent } from 'undici';
import type { LocalProviderConfig } from '../../config/provider-config.ts';
import type { OpenProviderOptions } from '../../ports/embedding-provider.ts';
import { HttpStatusError, PART_SUFFIX, downloadFile } from './download-file.ts';
import { downloadProgress } from './download-progress.ts';
import { readJsonObject } from './json-file.ts';
import { detail, modelNotFound, modelUnavailable } from './local-errors.ts';
import {
  CONFIG_FILE,
  OPTIONAL_FILES,
  TOKENIZER_FILE,
  externalDataFiles,
  weightsFile,
} from './model-layout.ts';

type HubModel = Pick<
  LocalProviderConfig,
  'name' | 'model' | 'revision' | 'hub' | 'cacheFolder' | 'isOffline' | 'dtype'
>;

const MODEL_ID = /^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/;
/** A part that has not grown for so long belongs to a process that was killed. */
const STALE_PART_MS = 60 * 60 * 1000;
/** Without a byte. */
const STALL_MS = 60_000;

/**
 * Folder of a model of the hub, downloaded when it is not there yet. The weights come last and every file gets its
 * name when it is whole, so a folder with weights is a whole model: it is then used without asking the hub, and an
 * interrupted download goes on with the file that it was at.
 *
 * @throws {VecpipeError} usage, `model_not_found` when the hub does not have the model or these weights; unavailable,
 * `model_unavailable` when it is not here and cannot be had; the signal's reason when aborted
 */
export async function hubFolder(config: HubModel, options: OpenProviderOptions): Promise<string> {
  const { model, revision } = config;
  if (!MODEL_ID.test(model)) {
    throw modelNotFound(
      `the model ${model} of provider ${config.name} is no id of the model hub`,
      'an id looks like Xenova/all-MiniLM-L6-v2; a folder begins with ./, ../ or /',
    );
  }
  const version = revision === 'main' ? '' : `@${encodeURIComponent(revision)}`;
  const folder = join(config.cacheFolder, ...`${model}${version}`.split('/'));
  if (await isWhole(folder, config)) return folder;
  if (config.isOffline) {
    throw modelUnavailable(
      `the model ${model} of provider ${config.name} is not in ${config.cacheFolder}, and \`offline\` keeps it from being downloaded`,
    );
  }
  const download = new ModelDownload(config, folder, options);
  await download.run();
  return folder;
}

async function isWhole(folder: string, { dtype }: HubModel): Promise<boolean> {
  return (
    (await isFile(join(folder, CONFIG_FILE))) &&
    (await isFile(join(folder, TOKENIZER_FILE))) &&
    (await isFile(join(folder, weightsFile(dtype))))
  );
}

class ModelDownload {
  readonly #config: HubModel;
  readonly #folder: string;
  readonly #options: OpenProviderOptions;
  readonly #progress: ReturnType<typeof downloadProgress>;

  constructor(config: HubModel, folder: string, options: OpenProviderOptions) {
    this.#config = config;
    this.#folder = folder;
    this.#options = options;
    this.#progress = downloadProgress(config.model, options.report);
  }

  async run(): Promise<void> {
    const { model, dtype } = this.#config;
    this.#options.report?.({ type: 'step', message: `Downloading model ${model}` });
    // Its sockets must not outlive the download.
    const agent = new Agent({
      bodyTimeout: STALL_MS,
      headersTimeout: STALL_MS,
      connect: { timeout: 10_000 },
    });
    try {
      await this.#require(agent, CONFIG_FILE);
      await this.#require(agent, TOKENIZER_FILE);
      for (const name of OPTIONAL_FILES) await this.#fetch(agent, name);
      const config = await readJsonObject(join(this.#folder, CONFIG_FILE), this.#options);
      for (const name of externalDataFiles(config ?? {}, dtype)) await this.#require(agent, name);
      await this.#require(agent, weightsFile(dtype));
      this.#progress.finish();
      await removeStaleParts(this.#folder);
    } finally {
      await agent.destroy();
    }
  }

  async #require(agent: Agent, name: string): Promise<void> {
    if (await this.#fetch(agent, name)) return;
    const { model, revision, dtype } = this.#config;
    throw modelNotFound(
      `the model ${model} has no ${name} at the hub in revision ${revision}`,
      name === weightsFile(dtype)
        ? 'set `dtype:` of the provider to weights that the model has, such as fp32 for onnx/model.onnx'
        : 'choose a model with ONNX weights, such as those of the organisations Xenova and onnx-community',
    );
  }

  /** False when the model does not have the file. */
  async #fetch(agent: Agent, name: string): Promise<boolean> {
    const { model, revision } = this.#config;
    const path = join(this.#folder, ...name.split('/'));
    if (await isFile(path)) return true;
    const url = `${this.#config.hub.url}/${model}/resolve/${encodeURIComponent(revision)}/${name}`;
    const { token } = this.#config.hub;
    try {
      await downloadFile(url, path, {
        dispatcher: agent,
        headers: { 'user-agent': 'vecpipe', ...(token !== null && { authorization: `Bearer ${token}` }) },
        onSize: (bytes) => this.#progress.found(bytes),
        onBytes: (bytes) => this.#progress.arrived(bytes),
        ...(this.#options.signal && { signal: this.#options.signal }),
      });
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      if (error instanceof HttpStatusError && error.status === 404) return false;
      throw this.#failure(error);
    }
    return true;
  }

  #failure(error: unknown): Error {
    const { name, model } = this.#config;
    if (error instanceof HttpStatusError && (error.status === 401 || error.status === 403)) {
      return modelNotFound(
        `the hub ${this.#config.hub.url} has no model ${model}, or does not show it to everybody`,
        'correct `model:` of the provider, or set HF_TOKEN to a token that may read it',
        error,
      );
    }
    const cause = error instanceof TypeError && error.cause !== undefined ? error.cause : error;
    return modelUnavailable(
      `the model ${model} of provider ${name} is not in ${this.#config.cacheFolder} and could not be downloaded from ${this.#config.hub.url}: ${detail(cause)}`,
      error,
    );
  }
}

async function isFile(path: string): Promise<boolean> {
  const status = await stat(path).catch(() => null);
  return status?.isFile() ?? false;
}

async function removeStaleParts(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  for (const name of names.filter((each) => each.endsWith(PART_SUFFIX))) {
    const path = join(folder, name);
    const status = await stat(path).catch(() => null);
    if (status && Date.now() - status.mtimeMs > STALE_PART_MS) await rm(path, { force: true });
  }
}
