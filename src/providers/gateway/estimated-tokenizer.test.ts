import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../tokenizer/open-tokenizer.ts';
import { estimatedTokenizer } from './estimated-tokenizer.ts';

const fileUrl = (path: string) => new URL(`../../../${path}`, import.meta.url);
const TOKENIZER = fileUrl('models/static-en-256/tokenizer.json');

const SAMPLES: Record<string, string> = {
  prose: readFileSync(fileUrl('CONTRIBUTING.md'), 'utf8'),
  code: readFileSync(fileUrl('src/providers/gateway/estimated-tokenizer.ts'), 'utf8'),
  records: readFileSync(fileUrl('fixtures/projects.ndjson'), 'utf8'),
  names: 'Wojciechowski, Papadopoulos, Xochitl, Nguyen, Oyelaran, Krzysztof, Szczepanski, Bhattacharya',
  'long words':
    'antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis floccinaucinihilipilification',
  'german compounds':
    'Rechtsschutzversicherungsgesellschaften Donaudampfschifffahrtsgesellschaft Kraftfahrzeughaftpflicht',
  'camel case': 'getUserEmbeddingById maxTokensPerRequest HTTPServerConnectionPool XMLHttpRequest',
  hashes:
    '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 da39a3ee5e6b4b0d3255bfef95601890afd80709',
  base64: 'dGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZw==',
  numbers: '1234567890 3.14159265358979 2026-03-01 +49 89 1234567 192.168.100.200 $1,299,999.99',
  russian: 'Быстрая коричневая лиса перепрыгивает через ленивую собаку и убегает в лес.',
  greek: 'Η γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.',
  french: 'Le cœur déçu mais l’âme plutôt naïve, Louÿs rêva de crapaüter en canoë au delà des îles.',
  chinese: '敏捷的棕色狐狸跳过了那只懒惰的狗，然后消失在森林里。',
  japanese: '素早い茶色の狐がのろまな犬を飛び越えて、森の中へ消えていった。',
  korean: '재빠른 갈색 여우가 게으른 개를 뛰어넘어 숲속으로 사라졌다.',
  arabic: 'الثعلب البني السريع يقفز فوق الكلب الكسول ثم يختفي في الغابة.',
  hindi: 'तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर से कूद गई और जंगल में गायब हो गई।',
  thai: 'สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ',
  emoji: '🎉🚀 done 👩‍👩‍👧‍👦 ✅ 🇩🇪',
  markup: '<div class="row"><a href="https://example.org/a?b=c&d=e">x</a></div> {"a":[1,2,{"b":null}]}',
};

describe('estimatedTokenizer', () => {
  it('counts rather more than WordPiece, and not far more', async () => {
    const wordPiece = await openTokenizer(JSON.parse(readFileSync(TOKENIZER, 'utf8')), 'tokenizer.json');
    const ratios = Object.entries(SAMPLES).map(([name, text]) => ({
      name,
      ratio: estimatedTokenizer.count(text) / wordPiece.count(text),
    }));
    expect(ratios.filter(({ ratio }) => ratio < 1)).toEqual([]);
    expect(ratios.filter(({ name, ratio }) => name === 'prose' && ratio > 2)).toEqual([]);
  });

  it.each([
    // cl100k_base's own counts.
    ['Hello, world!', 4],
    ['tokenization', 2],
    ['antidisestablishmentarianism', 6],
    ['1234567890', 4],
  ])('counts at least what cl100k does: %s', (text, tokens) => {
    expect(estimatedTokenizer.count(text)).toBeGreaterThanOrEqual(tokens);
  });

  it.each(Object.entries(SAMPLES))(
    'gives words in order that add up and leave out white space only: %s',
    (_name, text) => {
      const words = estimatedTokenizer.words(text);
      let at = 0;
      for (const { start, end, tokens } of words) {
        expect(text.slice(at, start).trim()).toBe('');
        expect(end).toBeGreaterThan(start);
        expect(tokens).toBeGreaterThan(0);
        at = end;
      }
      expect(text.slice(at).trim()).toBe('');
      expect(words.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(estimatedTokenizer.count(text));
    },
  );

  it('counts nothing for nothing, and half a surrogate pair as something', () => {
    expect(estimatedTokenizer.count('')).toBe(0);
    expect(estimatedTokenizer.count(' \n\t\u3000')).toBe(0);
    expect(estimatedTokenizer.words('\ud83d')).toHaveLength(1);
  });
});
