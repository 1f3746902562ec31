import { z } from 'zod';
import { confidentialText, environmentVariable } from './schema-parts.ts';

/** A timer of Node takes no more milliseconds, and a request this long is a mistake of units. */
const MAX_SECONDS = 86_400;

/** A thousand credits a token; with more, the millionths of a credit that a batch costs could not be counted exactly. */
const MAX_CREDITS = 1_000_000_000;

const seconds = z.number().min(0.1).max(MAX_SECONDS);
const count = z.int().min(1);

const commonFields = {
  pricePerMillionTokens: z
    .number()
    .min(0)
    .optional()
    .describe('Money for a million tokens, in your currency. Left out: free.'),
  creditsPerMillionTokens: z
    .number()
    .min(0)
    .max(MAX_CREDITS)
    .optional()
    .describe(
      'Credits that a tenant with a credit account is charged for a million tokens. Left out: 1000000, a credit a token, for a gateway; 0, nothing charged, for the other kinds.',
    ),
  keepVectors: z
    .union(
      [
        z.boolean(),
        z.strictObject({
          maxMegabytes: z
            .number()
            .min(1)
            .optional()
            .describe('Megabytes a tenant at the most. Left out: 256.'),
        }),
      ],
      {
        error: 'expected true, false or a section with maxMegabytes',
      },
    )
    .optional()
    .describe(
      'Keep the vectors of texts in the database, so that a text seen before is never embedded again. true: 256 MB a tenant at the most. Left out: only until their batch is stored, and only with a price.',
    ),
};

const prefixFields = {
  queryPrefix: z.string().optional().describe('Put before a search text, such as "query: " for e5 models.'),
  passagePrefix: z
    .string()
    .optional()
    .describe('Put before a stored text, such as "passage: " for e5 models.'),
};

const modelId = z
  .string()
  .min(1)
  .optional()
  .describe(
    'Name of the weights. Two providers with the same one can stand in for each other. Left out: the model.',
  );

const dimensions = z.int().min(1).max(65_536).optional();

const staticProvider = z
  .strictObject({
    kind: z.literal('static').describe('A table of token vectors: no server, no key, no download.'),
    model: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Folder with a model in Model2Vec format, relative to this file. Left out: the model that ships with vecpipe.',
      ),
    ...commonFields,
  })
  .describe('Embeds on this machine with a table of token vectors.');

const gatewayProvider = z
  .strictObject({
    kind: z.literal('gateway').describe('Any endpoint that speaks the OpenAI embeddings protocol.'),
    baseURL: confidentialText
      .optional()
      .describe(
        'Everything before /embeddings, such as https://api.openai.com/v1. Left out: OPENAI_BASE_URL.',
      ),
    apiKeyEnv: environmentVariable
      .optional()
      .describe('Name of the environment variable that holds the API key. Left out: OPENAI_API_KEY.'),
    apiKeyHeader: z
      .string()
      .regex(/^[A-Za-z0-9-]+$/, { error: 'must be the name of a header' })
      .optional()
      .describe(
        'Header that carries the key as it is, such as api-key for Azure. Left out: authorization, as a bearer token.',
      ),
    query: z
      .record(z.string(), z.string())
      .optional()
      .describe('Added to the query string of every request, such as { api-version: 2024-10-21 } for Azure.'),
    model: z.string().min(1).describe('Name that the endpoint knows the model by.'),
    modelId,
    dimensions: dimensions.describe(
      'Width of the vectors, checked in every answer. Left out: asked with one text at the start of each run.',
    ),
    sendDimensions: z
      .boolean()
      .optional()
      .describe(
        'Ask the endpoint for vectors of that width. Left out: only for the models text-embedding-3-*.',
      ),
    encodingFormat: z
      .enum(['base64', 'float'])
      .optional()
      .describe(
        'How vectors are sent. Left out: base64, and float once an endpoint has shown that it cannot.',
      ),
    tokenizer: z
      .string()
      .min(1)
      .optional()
      .describe(
        'A tokenizer.json, or a folder with one, relative to this file, for exact counts. Left out: a cautious estimate.',
      ),
    maxInputs: count.max(100_000).optional().describe('Texts a request at the most. Left out: 64.'),
    maxTokensPerRequest: count.optional().describe('Tokens a request at the most. Left out: 100000.'),
    maxTokensPerInput: count
      .optional()
      .describe('Tokens a text at the most; longer texts become several chunks. Left out: 8000.'),
    maxConcurrency: count
      .max(1000)
      .optional()
      .describe('Requests under way at once at the most; fewer when the endpoint slows down. Left out: 32.'),
    requestsPerMinute: z
      .number()
      .min(0.1)
      .optional()
      .describe("Limit of the endpoint, where it is known. Left out: learned from the endpoint's answers."),
    timeoutSeconds: seconds.optional().describe('A request that takes longer has failed. Left out: 60.'),
    retrySeconds: z
      .number()
      .min(0)
      .max(MAX_SECONDS)
      .optional()
      .describe('How long a failing request is tried again. Left out: 120.'),
    ...prefixFields,
    ...commonFields,
  })
  .describe('Embeds over the network.');

const localProvider = z
  .strictObject({
    kind: z.literal('local').describe('A transformers model in ONNX that runs on this machine.'),
    model: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Id at the model hub, such as Xenova/all-MiniLM-L6-v2 (the default), or a folder, which begins with ./, ../ or /, relative to this file.',
      ),
    modelId,
    revision: z.string().min(1).optional().describe('Branch, tag or commit at the hub. Left out: main.'),
    cache: z
      .string()
      .min(1)
      .optional()
      .describe('Folder for downloaded models, relative to this file. Left out: models in the home folder.'),
    offline: z
      .boolean()
      .optional()
      .describe('Never ask the hub: only the folder or what was downloaded before.'),
    dtype: z
      .enum(['q8', 'fp32', 'fp16', 'q4'])
      .optional()
      .describe('Which weights of the model. Left out: q8, int8 numbers, the fastest on a CPU.'),
    dimensions: dimensions.describe('Width of the vectors; a model of another width is refused.'),
    pooling: z
      .enum(['mean', 'cls'])
      .optional()
      .describe("How the vectors of tokens become one. Left out: as the model's own config says, else mean."),
    maxTokensPerInput: count
      .optional()
      .describe(
        'Tokens a text at the most; longer texts become several chunks. Left out: what the model takes.',
      ),
    workers: count
      .max(256)
      .optional()
      .describe('Worker threads, each with a copy of the model. Left out: from the cores.'),
    threads: count.max(256).optional().describe('Threads of one worker. Left out: from the cores.'),
    ...prefixFields,
    ...commonFields,
  })
  .describe('Embeds on this machine with a transformers model.');

/** One member of `providers` as it is written. */
export const rawProviderSchema = z
  .discriminatedUnion('kind', [staticProvider, gatewayProvider, localProvider])
  .describe('One way of turning text into vectors.');

export type RawProvider = z.output<typeof rawProviderSchema>;
export type RawGatewayProvider = z.output<typeof gatewayProvider>;
export type RawLocalProvider = z.output<typeof localProvider>;
