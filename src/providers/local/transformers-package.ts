import { createRequire } from 'node:module';
import { packageMissing } from './local-errors.ts';

/**
 * Looks for the optional package before anything is downloaded or started.
 * @throws {VecpipeError} usage, `provider_package_missing`
 */
export function checkTransformersPackage(name: string): void {
  try {
    createRequire(import.meta.url).resolve('@xenova/transformers');
  } catch (error) {
    throw packageMissing(name, 'is not installed', error);
  }
}
