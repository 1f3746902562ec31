import { z } from 'zod';

/** Text that may hold a secret: no message may repeat what was written. */
export const confidentialText = z.string({ error: 'expected text' }).min(1);

/** Keys are named, never written down. */
export const environmentVariable = z
  .string({ error: 'expected the name of an environment variable' })
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, {
    error: 'must be the name of an environment variable, never the key itself',
  });
