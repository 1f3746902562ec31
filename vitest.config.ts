import { defineConfig } from 'vitest/config';

// `unit` runs beside the source with no server and no build; `full` needs `npm run build` and starts processes.
export default defineConfig({
  test: {
    // Most of a test's time is another process': one worker would leave a core idle on a machine of two.
    maxWorkers: 2,
    // The file is what scripts/print-test-totals.mjs reads.
    reporters: ['default', 'json'],
    outputFile: { json: 'node_modules/.cache/vecpipe/test-report.json' },
    projects: [
      { test: { name: 'unit', include: ['src/**/*.test.ts'], restoreMocks: true } },
      {
        test: {
          name: 'full',
          include: ['test/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          restoreMocks: true,
          unstubEnvs: true,
        },
      },
    ],
  },
});
