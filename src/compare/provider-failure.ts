import { VecpipeError } from '../errors/vecpipe-error.ts';

/** A provider did not do what it was asked: its variants drop out of the comparison, the others go on. */
export class ProviderFailure extends Error {
  override readonly name = 'ProviderFailure';
  /** What the provider threw. */
  readonly error: VecpipeError;

  constructor(error: VecpipeError) {
    super(error.message, { cause: error });
    this.error = error;
  }
}

/** Tells a provider's errors from those of the database. @throws {ProviderFailure} in place of a VecpipeError */
export async function asked<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    throw error instanceof VecpipeError ? new ProviderFailure(error) : error;
  }
}
