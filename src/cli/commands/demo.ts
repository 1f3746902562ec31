import type { Declare } from '../program.ts';

export interface DemoFlags {
  folder?: string;
}

export const declareDemo: Declare = (program, define) => {
  const command = program
    .command('demo')
    .description('Try vecpipe on real records that are on this machine: the packages under node_modules.')
    .option('--folder <path>', 'where the demo keeps its config and database (default: vecpipe-demo)')
    .addHelpText(
      'after',
      `
Examples:
  vecpipe demo
  vecpipe demo --folder /tmp/vecpipe-demo

It uses the embedded database and the static model only, whatever the environment says.`,
    );
  define(command, () => import('./demo-main.ts').then((module) => module.demoMain));
};
