import { describe, expect, test } from 'vitest';
import { compileTemplate, TemplateSyntaxError, TemplateValueError } from './template.ts';
import type { RowValues } from './template.ts';

function render(source: string, row: RowValues): string {
  return compileTemplate(source).render(row);
}

describe('columns', () => {
  test('are those that the template reads from the row, each once', () => {
    const template = compileTemplate(`
      {{ name | append: suffix }} {{ name }} {{ list[index] }} {{ data.deep.field }}
      {% if flag %}{{ a }}{% else %}{{ b }}{% endif %}`);
    expect([...template.columns].toSorted()).toEqual([
      'a',
      'b',
      'data',
      'flag',
      'index',
      'list',
      'name',
      'suffix',
    ]);
  });

  test('are not what the template makes itself, nor what is commented out', () => {
    const template = compileTemplate(`
      {% for item in items %}{{ item.name }}{{ forloop.index }}{% endfor %}
      {% assign copy = first %}{{ copy }}{% capture both %}{{ second }}{% endcapture %}{{ both }}
      {% comment %}{{ hidden }}{% endcomment %}{% raw %}{{ literal }}{% endraw %}`);
    expect([...template.columns].toSorted()).toEqual(['first', 'items', 'second']);
  });

  test('may have names that are no plain words', () => {
    const template = compileTemplate('{{ ["My Column"] }} {{ Größe }} {{ due-date }}');
    expect(template.columns).toEqual(['My Column', 'Größe', 'due-date']);
    expect(template.render({ 'My Column': 'a', Größe: 'b', 'due-date': 'c' })).toBe('a b c');
  });
});

describe('rendering', () => {
  test.each([
    ['null and a missing column as nothing', '[{{ a }}{{ b }}]', { a: null }, '[]'],
    ['a field of null as nothing', '[{{ a.b.c }}]', { a: null }, '[]'],
    ['true and false as words', '{{ a }} {{ b }}', { a: true, b: false }, 'true false'],
    ['numbers as JavaScript writes them', '{{ a }} {{ b }}', { a: 1.5, b: -0.001 }, '1.5 -0.001'],
    [
      'a list by its elements, nested ones and nulls too',
      '{{ a }}',
      { a: [1, ['x', null], true] },
      '1, x, , true',
    ],
    ['an object when it is asked for as JSON', '{{ a | json }}', { a: { b: 1 } }, '{"b":1}'],
    ['text as it is, markup included', '{{ a }}', { a: '<b>&amp; "x"</b>' }, '<b>&amp; "x"</b>'],
    ['without the blanks around', ' {{ a }}\n', { a: '\tx y ' }, 'x y'],
    ['empty when every value is', '{{ a }}\n{{ b }}', { a: null, b: '  ' }, ''],
  ])('writes %s', (_name, source, row, expected) => {
    expect(render(source, row)).toBe(expected);
  });

  test('writes dates in UTC, whatever the zone of the machine', () => {
    expect(render('{{ at | date: "%Y-%m-%d %H:%M" }}', { at: '2024-01-01T23:30:00+00:00' })).toBe(
      '2024-01-01 23:30',
    );
  });

  test('sees no property that the row does not have itself', () => {
    expect(render('[{{ constructor }}{{ a.constructor }}{{ toString }}]', { a: {} })).toBe('[]');
  });

  test('gives the same for the same row, one row after another', () => {
    const template = compileTemplate('{% assign x = a %}{{ x }}{{ y }}{% assign y = a %}');
    expect([template.render({ a: 1 }), template.render({ a: 2 }), template.render({ a: 1 })]).toEqual([
      '1',
      '2',
      '1',
    ]);
  });
});

describe('a value that does not fit', () => {
  test.each([
    ['an object', '{{ a }}', { a: { b: 'secret' } }, /prints an object/],
    ['an object by another tag', '{% echo a %}', { a: { b: 'secret' } }, /prints an object/],
    ['an object in a list', '{{ a }}', { a: [{ b: 'secret' }] }, /prints an object/],
    ['a number that is not finite', '{{ a | divided_by: 0 }}', { a: 4 }, /not finite/],
  ])('is an error of that row: %s', (_name, source, row, message) => {
    expect(() => render(source, row)).toThrow(TemplateValueError);
    expect(() => render(source, row)).toThrow(message);
    expect(() => render(source, row)).not.toThrow(/secret/);
  });

  test('is also a loop that would not end in time', () => {
    expect(() => render('{% for i in (1..n) %}{{ i }}{% endfor %}', { n: 1e12 })).toThrow(
      /takes too much time or memory/,
    );
  });
});

describe('a template that is wrong for every row', () => {
  test.each([
    ['an output without an end', 'line\n{{ name'],
    ['a tag without an end', '{% if a %}x'],
    ['a tag that does not exist', '{% nosuch %}'],
    ['a filter that does not exist', '{{ a | nosuch }}'],
    ['a partial', "{% include 'other' %}"],
    ['another partial', "{% render 'other' %}"],
    ['a layout', "{% layout 'other' %}"],
  ])('is refused before any row is read: %s', (_name, source) => {
    expect(() => compileTemplate(source)).toThrow(TemplateSyntaxError);
  });

  test('is told with its place', () => {
    expect(() => compileTemplate('a\n  {{ b | nosuch }}')).toThrow(/nosuch.*line:2/);
  });
});
