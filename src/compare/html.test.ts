import { expect, it } from 'vitest';
import { html } from './html.ts';

it('escapes what is put in, in text and in attributes', () => {
  const hostile = `"><script>alert('1')</script>&amp;`;
  expect(html`<p title="${hostile}">${hostile}</p>`.markup).toBe(
    '<p title="&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;">' +
      '&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;</p>',
  );
});

it('keeps markup that it made itself, also in lists', () => {
  const items = ['a', '<b>'].map((each) => html`<li>${each}</li>`);
  // Under another name the formatter leaves its white space alone.
  const as = html;
  expect(as`<ul>${items}${html``}</ul>`.markup).toBe('<ul><li>a</li><li>&lt;b&gt;</li></ul>');
  expect(html`${3}`.markup).toBe('3');
});

it('replaces characters that a page may not hold', () => {
  expect(html`${'a\u0000b\u001b[1mc\nd\ud800e😀'}`.markup).toBe('a\uFFFDb\uFFFD[1mc d\uFFFDe😀');
});
