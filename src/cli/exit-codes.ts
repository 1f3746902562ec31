import type { ErrorFamily } from '../errors/vecpipe-error.ts';

/** Every exit code, in the words of `vecpipe --help` and docs/exit-codes.md. */
export const EXIT_CODES = {
  done: { code: 0, meaning: 'everything asked for is done' },
  rowsFailed: { code: 1, meaning: 'finished, but some rows or records failed; each has its reason' },
  usage: { code: 2, meaning: 'wrong usage or config' },
  drift: { code: 3, meaning: 'the collection or the credits are not what was recorded' },
  unavailable: { code: 4, meaning: 'a needed service or provider was unavailable' },
  credits: { code: 5, meaning: 'out of credits' },
  bug: { code: 70, meaning: 'a bug in vecpipe' },
  hangup: { code: 129, meaning: 'interrupted by SIGHUP; the same command resumes' },
  interrupted: { code: 130, meaning: 'interrupted by SIGINT; the same command resumes' },
  pipeClosed: {
    code: 141,
    meaning: 'stopped half way because its output was closed; the same command resumes',
  },
  terminated: { code: 143, meaning: 'interrupted by SIGTERM; the same command resumes' },
} as const;

/** What a process ends with that was asked to stop. */
export const STOPPED_EXIT_CODES: readonly number[] = [
  EXIT_CODES.hangup.code,
  EXIT_CODES.interrupted.code,
  EXIT_CODES.terminated.code,
];

export const FAMILY_EXIT_CODES: Record<ErrorFamily, number> = {
  usage: EXIT_CODES.usage.code,
  drift: EXIT_CODES.drift.code,
  unavailable: EXIT_CODES.unavailable.code,
  credits: EXIT_CODES.credits.code,
};
