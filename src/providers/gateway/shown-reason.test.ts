import { describe, expect, it } from 'vitest';
import { shownReason } from './shown-reason.ts';

describe('shownReason', () => {
  it('collapses white space and control characters, and cuts', () => {
    expect(shownReason('too\n\tlong \u001b[31m text', [], [])).toBe('too long [31m text');
    expect(shownReason('x'.repeat(500), [], [])).toHaveLength(200);
  });

  it('drops a reason that repeats a piece of a text, whatever the white space and the case', () => {
    const text = 'The patient,\nMr. Example,   was seen on the third of May.';
    expect(shownReason('cannot embed "the patient, mr. example, was seen"', ['other', text], [])).toBe('');
    expect(shownReason('cannot embed this patient text', [text], [])).toBe('cannot embed this patient text');
  });

  it('drops a reason that repeats a short text as a whole', () => {
    expect(shownReason('invalid input: 4111 1111 1111', ['4111 1111 1111'], [])).toBe('');
    expect(shownReason('invalid input', ['in'], [])).toBe('invalid input');
  });

  it('drops a reason with a secret', () => {
    expect(shownReason(`${'x'.repeat(300)} sk-secret`, [], ['', 'sk-secret'])).toBe('');
  });
});
