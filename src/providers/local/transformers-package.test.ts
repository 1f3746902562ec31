import Module from 'node:module';
import { expect, test, vi } from 'vitest';
import { checkTransformersPackage } from './transformers-package.ts';

test('is content where the package is', () => {
  expect(() => checkTransformersPackage('here')).not.toThrow();
});

test('says in one sentence how to add the package', () => {
  const resolver = Module as unknown as { _resolveFilename(request: string): string };
  vi.spyOn(resolver, '_resolveFilename').mockImplementation((request) => {
    throw Object.assign(new Error(`Cannot find module '${request}'`), { code: 'MODULE_NOT_FOUND' });
  });
  expect(() => checkTransformersPackage('here')).toThrowError(
    expect.objectContaining({
      family: 'usage',
      code: 'provider_package_missing',
      message: 'provider here needs the optional package @xenova/transformers, which is not installed',
      hint: 'add it with: npm install @xenova/transformers@npm:@huggingface/transformers',
    }) as Error,
  );
});
