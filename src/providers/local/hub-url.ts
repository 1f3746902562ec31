const DEFAULT_HUB = 'https://huggingface.co';

/**
 * The model hub and how to be let in, by the variables that its own tools read
 * (https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables): `HF_ENDPOINT` for a mirror and
 * `HF_TOKEN` for private models.
 */
export interface Hub {
  /** Without a slash at the end. */
  url: string;
  /** A secret: never in a message. */
  token: string | null;
}

export function readHub(environment: Readonly<Record<string, string | undefined>> = process.env): Hub {
  const url = environment['HF_ENDPOINT']?.trim() || DEFAULT_HUB;
  return { url: url.replace(/\/+$/, ''), token: environment['HF_TOKEN']?.trim() || null };
}
