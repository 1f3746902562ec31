import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const SOURCE = fileURLToPath(new URL('../../src/', import.meta.url));

/** A code that the source gives to an error or to a row that failed. */
export interface SourceCode {
  /** A pattern where the code is put together at run time. */
  code: string | RegExp;
  /** Family of the error; null for a code of a row or record. */
  family: string | null;
  place: string;
}

/** Functions that make errors, and the family of each. */
const FAMILIES: Readonly<Record<string, string>> = { usageError: 'usage', unavailableError: 'unavailable' };

/**
 * Every error code in the source: what is passed to a parameter named `code` of the source's own functions, and
 * what stands in a property `code` of an object.
 */
export function readSourceCodes(): SourceCode[] {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) =>
      ts.createSourceFile(name, readFileSync(join(SOURCE, name), 'utf8'), ts.ScriptTarget.ES2023, true),
    );
  const shared = new Map<string, number>();
  const own = files.map((file) => {
    const local = new Map<string, number>();
    visit(file, (node) => {
      if (!ts.isFunctionLike(node)) return;
      const position = node.parameters.findIndex((parameter) => parameter.name.getText() === 'code');
      const name = nameOf(node);
      if (position < 0 || name === null) return;
      const isExported =
        ts.isFunctionDeclaration(node) && node.modifiers?.[0]?.kind === ts.SyntaxKind.ExportKeyword;
      (isExported ? shared : local).set(name, position);
    });
    return local;
  });
  return files.flatMap((file, index) => codesOf(file, new Map([...shared, ...(own[index] ?? [])])));
}

function codesOf(file: ts.SourceFile, takers: ReadonlyMap<string, number>): SourceCode[] {
  const found: SourceCode[] = [];
  const add = (value: ts.Expression | undefined, family: string | null) => {
    if (!value) return;
    const { line } = file.getLineAndCharacterOfPosition(value.getStart());
    for (const code of codesIn(value)) found.push({ code, family, place: `${file.fileName}:${line + 1}` });
  };
  visit(file, (node) => {
    if (ts.isCallExpression(node)) {
      const name = node.expression.getText().replace(/^this\./, '');
      const position = takers.get(name);
      if (position !== undefined) add(node.arguments[position], FAMILIES[name] ?? null);
    } else if (ts.isNewExpression(node) && node.expression.getText() === 'VecpipeError') {
      const [family, , details] = node.arguments ?? [];
      if (family && ts.isStringLiteral(family) && details && ts.isObjectLiteralExpression(details)) {
        for (const property of details.properties) {
          if (isCode(property)) add(property.initializer, family.text);
        }
      }
    } else if (isCode(node) && !isInsideError(node)) {
      add(node.initializer, null);
    }
  });
  return found;
}

function codesIn(value: ts.Expression): (string | RegExp)[] {
  if (ts.isStringLiteral(value)) return /^[a-z][a-z0-9_]*$/.test(value.text) ? [value.text] : [];
  if (ts.isConditionalExpression(value)) return [...codesIn(value.whenTrue), ...codesIn(value.whenFalse)];
  if (!ts.isTemplateExpression(value)) return [];
  const parts = [value.head.text, ...value.templateSpans.map(({ literal }) => literal.text)];
  return [new RegExp(`^${parts.join('[a-z]+')}$`)];
}

function isCode(node: ts.Node): node is ts.PropertyAssignment {
  return ts.isPropertyAssignment(node) && node.name.getText() === 'code';
}

function isInsideError(node: ts.Node): boolean {
  return ts.isNewExpression(node.parent.parent);
}

function nameOf(node: ts.SignatureDeclaration): string | null {
  if (node.name) return node.name.getText();
  return ts.isVariableDeclaration(node.parent) ? node.parent.name.getText() : null;
}

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => visit(child, see));
}
