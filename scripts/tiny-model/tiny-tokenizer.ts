import { wordPieceTokenizer } from '../make-fixture-models.ts';

const SPECIAL_TOKENS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

const WORDS = `the of and to in a is that for it as was with be by on not he his but at are this have from or had an
they which one you were all her she there would their we him been has when who will no more if out so up said what its
about than into them can only other time new some could these two may first then do any like my now over such our man
me even most made after also did many off before must well back through years where much your way down should because
long each just state those people too how little good world make very year still see work life being day get own use
project issue task board team user account name type status open closed done key text field value list page search
index vector model row table column query store queue batch sync test file line error message password reset login
server client request response time date price order product customer payment report build release version bug fix
feature change update delete create add remove read write start stop run check find show help question answer word`;

/** BERT's kind of tokenizer: words of everyday and of projects, and every ASCII character, so that nothing is unknown. */
export function tinyTokenizer() {
  const characters = Array.from({ length: 94 }, (_each, index) => String.fromCharCode(33 + index)).filter(
    (character) => character === character.toLowerCase(),
  );
  const letters = characters.filter((character) => /[a-z0-9]/.test(character));
  const endings = ['ing', 'ed', 'er', 's', 'ly', 'ion', 'ment', 'able'];
  const tokens = new Set([
    ...characters,
    ...[...letters, ...endings].map((piece) => `##${piece}`),
    ...WORDS.split(/\s+/),
  ]);
  const id = (token: string) => SPECIAL_TOKENS.indexOf(token);
  const special = (token: string) => ({ SpecialToken: { id: token, type_id: 0 } });
  const described = (token: string) => ({ id: token, ids: [id(token)], tokens: [token] });
  return {
    ...wordPieceTokenizer([...tokens], SPECIAL_TOKENS),
    post_processor: {
      type: 'TemplateProcessing',
      single: [special('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, special('[SEP]')],
      pair: [],
      special_tokens: { '[CLS]': described('[CLS]'), '[SEP]': described('[SEP]') },
    },
  };
}
