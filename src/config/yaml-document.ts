import { isNode, LineCounter, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { usageError } from '../errors/vecpipe-error.ts';
import type { VecpipeError } from '../errors/vecpipe-error.ts';
import type { ConfigDocument } from './config-document.ts';
import { plainValue } from './plain-value.ts';
import { inspectNodes, keysAt, nodesAlong } from './yaml-nodes.ts';
import { yamlSentence } from './yaml-sentence.ts';

/** Room for a `*default` in every one of thousands of tenants; aliases of aliases of aliases reach it at once. */
const MAX_ALIAS_COUNT = 10_000;

export interface ConfigText {
  /** Absolute. */
  file: string;
  shownFile: string;
  text: string;
  /** JSON is read by the same parser, so that lines are known; its words must be in quotes. */
  isJson: boolean;
}

/**
 * Reads YAML 1.2 or JSON and keeps where everything is written. Keys are always text (`01` stays `01`); merges
 * (`<<`) are understood.
 * @throws {VecpipeError} usage `config_invalid` with line and column when the text is not YAML or JSON
 */
export function readYamlDocument({ file, shownFile, text, isJson }: ConfigText): ConfigDocument {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter,
    prettyErrors: false,
    stringKeys: true,
    merge: true,
    // Found by inspectNodes, which knows the path.
    uniqueKeys: false,
    schema: isJson ? 'json' : 'core',
  });
  const refuse = (offset: number, sentence: string, cause?: unknown) => {
    const { line, col } = lineCounter.linePos(offset);
    return unreadable(`${shownFile}:${line}:${col}: ${sentence}`, cause);
  };
  // A warning is a tag that nothing is known about, such as a hopeful `!env`.
  const error = document.errors[0] ?? document.warnings[0];
  if (error) throw refuse(error.pos[0], yamlSentence(error, text.charAt(error.pos[0]), isJson), error);
  const { duplicates, dangling } = inspectNodes(document);
  if (dangling) {
    throw refuse(
      dangling.range?.[0] ?? 0,
      'a reference has no anchor before it; text that begins with * must be in quotes',
    );
  }
  const lineOfNode = (node: unknown) =>
    isNode(node) && node.range ? lineCounter.linePos(node.range[0]).line : null;
  const { value, problems } = plainValue(expand(document, shownFile));
  const written = duplicates.map(({ path, first }) => ({
    path,
    message: `written twice in the same section, first on line ${lineOfNode(first)}`,
  }));
  return {
    file,
    shownFile,
    value,
    problems: [...written, ...problems],
    lineOf: (path) => [...nodesAlong(document, path)].map(lineOfNode).findLast((line) => line !== null) ?? 1,
    keysOf: (path) => keysAt(document, path),
  };
}

function expand(document: Document, shownFile: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
  } catch (error) {
    // The parser throws ReferenceError for its alias limit and a plain Error for a merge of something else.
    const sentence =
      error instanceof ReferenceError
        ? 'references (*name) repeat each other too many times'
        : 'a merge (<<) needs a section, or a list of them';
    throw unreadable(`${shownFile}: ${sentence}`, error);
  }
}

function unreadable(message: string, cause: unknown): VecpipeError {
  return usageError('config_invalid', message, undefined, cause);
}
