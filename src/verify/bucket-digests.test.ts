import { expect, it } from 'vitest';
import { pointId } from '../pipeline/point-id.ts';
import { beforeBucket, bucketOf, BucketDigests } from './bucket-digests.ts';

const ids = Array.from({ length: 2_000 }, (_none, number) => pointId('1', 'items', `${number}`, 0));

function digestsOf(list: readonly string[]): BucketDigests {
  const digests = new BucketDigests();
  for (const id of list) digests.add(id);
  return digests;
}

it('is the same for the same ids in any order', () => {
  expect(digestsOf(ids).differing(digestsOf(ids.toReversed()))).toEqual([]);
});

it('differs in the bucket of each id that one side lacks, has besides, or has twice', () => {
  const [first = '', second = '', third = ''] = ids;
  const other = pointId('1', 'items', 'another', 0);
  const changed = digestsOf([...ids.filter((id) => id !== first && id !== second), other, third]);
  const expected = [first, second, third, other].map((id) => bucketOf(id)).toSorted((a, b) => a - b);
  expect(digestsOf(ids).differing(changed)).toEqual(expected);
});

it('tells an id from another one of the same bucket, whichever digit differs', () => {
  const id = '0aabbccd-1111-5222-8333-444455556666';
  for (let at = 3; at < id.length; at += 1) {
    if (id.charAt(at) === '-') continue;
    const other = `${id.slice(0, at)}${id.charAt(at) === '0' ? '1' : '0'}${id.slice(at + 1)}`;
    expect(digestsOf([id]).differing(digestsOf([other])), other).toEqual([bucketOf(id)]);
  }
});

it('tells that there are ids that are numbers', () => {
  expect(digestsOf(ids).hasNumbers).toBe(false);
  expect(digestsOf(['7', ...ids]).hasNumbers).toBe(true);
});

it('knows the id in front of a bucket', () => {
  expect(beforeBucket(0)).toBeUndefined();
  for (const id of ids) {
    const before = beforeBucket(bucketOf(id)) ?? '';
    expect(before < id).toBe(true);
    if (before !== '') expect(bucketOf(before)).toBe(bucketOf(id) - 1);
  }
});
