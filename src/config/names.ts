/** Tenants, entities and providers are named so: names become parts of collection names and of point ids. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** Says what `NAME_PATTERN` wants, to follow "must be". */
export const NAME_RULE = '1 to 64 letters, digits, "_" or "-", the first one a letter or digit';

/** Whether a text can be a tenant, such as the value of `--tenant`. */
export function isTenantId(text: string): boolean {
  return NAME_PATTERN.test(text);
}

/** The tenant of a config that names none. */
export const DEFAULT_TENANT = '1';

/** The provider that is there without being declared, and that a tenant gets when it names none. */
export const DEFAULT_PROVIDER = 'static';
