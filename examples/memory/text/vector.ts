/** Length of every vector. At 16,384 two words of one fact share a dimension once in about 360 facts. */
export const DIMENSIONS = 2 ** 14;

/** A point in space, sparse: of a fact's 16,384 dimensions all but ten or so are 0. */
export interface Vector {
  /** Which dimensions are not 0, rising. Each is at least 0 and below {@link DIMENSIONS}. */
  readonly dimensions: readonly number[];
  /** The values in those dimensions. Their squares add up to 1. */
  readonly weights: readonly number[];
}

/** How often words occur over a body of text: what is rare tells more. */
export interface Rarity {
  /** How many documents were counted. */
  readonly documents: number;
  /** In how many of them each stem occurs. */
  readonly occurrences: ReadonlyMap<string, number>;
}

/** Counts in how many documents, given as lists of stems, each stem occurs. */
export function rarityOf(documents: Iterable<readonly string[]>): Rarity {
  const occurrences = new Map<string, number>();
  let counted = 0;
  for (const stems of documents) {
    counted += 1;
    for (const stem of new Set(stems)) occurrences.set(stem, (occurrences.get(stem) ?? 0) + 1);
  }
  return { documents: counted, occurrences };
}

/**
 * Places a list of stems in space by hashed TF-IDF: each stem is hashed to a dimension and a sign
 * (so that collisions cancel out on average), and weighs more the oftener it occurs here and the
 * fewer documents know it.
 *
 * The same stems and rarity give the same vector on every machine. It has length 1, or no
 * dimensions at all when there are no stems.
 */
export function vectorOf(stems: readonly string[], rarity: Rarity): Vector {
  const values = new Map<number, number>();
  for (const [stem, count] of countOf(stems)) {
    const hash = hashOf(stem);
    const sign = hash >= 2 ** 31 ? -1 : 1;
    const value = sign * (1 + Math.log(count)) * weightOf(stem, rarity);
    values.set(hash % DIMENSIONS, (values.get(hash % DIMENSIONS) ?? 0) + value);
  }
  const length = Math.hypot(...values.values());
  const entries = [...values].filter(([, value]) => value !== 0).toSorted(([a], [b]) => a - b);
  return {
    dimensions: entries.map(([dimension]) => dimension),
    weights: entries.map(([, value]) => value / length),
  };
}

/** Tells how much two vectors point the same way: 1 the same, 0 unrelated. */
export function cosine(a: Vector, b: Vector): number {
  const values = new Map(b.dimensions.map((dimension, index) => [dimension, b.weights[index] ?? 0]));
  // Both have length 1, so that the sum of products is the cosine.
  return a.dimensions.reduce(
    (sum, dimension, index) => sum + (a.weights[index] ?? 0) * (values.get(dimension) ?? 0),
    0,
  );
}

// Smoothed, so that a stem which no document knows has a finite weight.
const weightOf = (stem: string, { documents, occurrences }: Rarity): number =>
  1 + Math.log((1 + documents) / (1 + (occurrences.get(stem) ?? 0)));

function countOf(stems: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const stem of stems) counts.set(stem, (counts.get(stem) ?? 0) + 1);
  return counts;
}

// FNV-1a over UTF-16 code units, then MurmurHash3's finalizer: FNV alone leaves the low bits, which
// pick the dimension, and the top bit, which picks the sign, unevenly spread for short words.
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
