import { availableStores } from '../helpers/stores.ts';
import { describeVectorStore } from './vector-store.contract.ts';

for (const variant of availableStores()) describeVectorStore(variant.name, () => variant.create());
