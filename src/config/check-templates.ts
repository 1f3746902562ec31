import { compileTemplate, TemplateSyntaxError } from '../entities/template.ts';
import type { Problem } from './problem.ts';
import type { RawConfig } from './schema.ts';

/** Finds the templates of the file that are not Liquid. */
export function checkTemplates(entities: RawConfig['entities']): Problem[] {
  return Object.entries(entities ?? {}).flatMap(([name, entity]) => {
    if (entity?.text === undefined) return [];
    try {
      compileTemplate(entity.text);
      return [];
    } catch (error) {
      if (!(error instanceof TemplateSyntaxError)) throw error;
      return [{ path: ['entities', name, 'text'], message: `is not a Liquid template: ${shown(error)}` }];
    }
  });
}

/** Liquid ends its messages with a place, which is easily mistaken for one in the config file. */
function shown({ message }: TemplateSyntaxError): string {
  return message.replace(/, line:(\d+), col:(\d+)$/, ' (line $1, column $2 of the template)');
}
