import { fail, ok } from './check.ts';
import type { Finding } from './check.ts';

/** As in package.json. */
const OLDEST = [20, 19] as const;

/** @param version such as `20.19.4` */
export function checkNodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isNewEnough = major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
  if (isNewEnough) return ok(version);
  return fail(
    `${version} is older than ${OLDEST.join('.')}, the oldest that vecpipe runs on`,
    'upgrade Node.js',
  );
}
