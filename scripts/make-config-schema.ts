// Writes schema/vecpipe.config.schema.json, which editors read, from the one schema that the program checks with.
import { mkdirSync, writeFileSync } from 'node:fs';
import { configJsonSchema } from '../src/config/schema.ts';

const folder = new URL('../schema/', import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL('vecpipe.config.schema.json', folder), configJsonSchema());
