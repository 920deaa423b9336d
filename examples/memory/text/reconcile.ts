import { SOMEONE, tripleKey } from "./triples.ts";
import type { Triple } from "./triples.ts";

/** A fact as the memory keeps it. */
export interface KeptFact {
  readonly id: string;
  /** Which sentence of its turn it was made from. */
  readonly sentence: number;
  /** What it says, by {@link factKey}. */
  readonly key: string;
}

/** A triple as the memory keeps it. */
export interface KeptTriple extends Triple {
  readonly id: string;
}

/** What other turns have said before. */
export interface Known {
  /** The id of the first fact that says each key. */
  readonly facts: ReadonlyMap<string, string>;
  /** By {@link tripleKey}: whether it was affirmed, denied, or both. */
  readonly triples: ReadonlyMap<string, ReadonlySet<"affirmed" | "denied">>;
}

/**
 * How a triple stands to what was known: nobody said it before, somebody did, or the opposite.
 * What `someone` does is always new: it need not be the same someone.
 */
export type Verdict = "new" | "confirmed" | "contradicted";

/** A turn, made one with what was known. */
export interface Synthesis {
  /** Facts that say what an earlier fact says already. */
  readonly duplicates: readonly { readonly fact: string; readonly sameAs: string }[];
  /** Every triple, with the fact of its sentence, if that made one, and its verdict. */
  readonly judgements: readonly {
    readonly triple: string;
    readonly fact: string | undefined;
    readonly verdict: Verdict;
  }[];
}

/**
 * Reconciles the facts and triples of one turn with each other and with what other turns said.
 * Changes nothing: what to do about it is returned as data.
 */
export function reconcile(
  facts: readonly KeptFact[],
  triples: readonly KeptTriple[],
  known: Known,
): Synthesis {
  const first = new Map(known.facts);
  const duplicates = facts.flatMap((fact) => {
    const sameAs = first.get(fact.key);
    if (sameAs === undefined) first.set(fact.key, fact.id);
    return sameAs === undefined ? [] : [{ fact: fact.id, sameAs }];
  });
  const factOf = new Map(facts.map((fact) => [fact.sentence, fact.id]));
  const judgements = triples.map((triple) => ({
    triple: triple.id,
    fact: factOf.get(triple.sentence),
    verdict: verdictOn(triple, known),
  }));
  return { duplicates, judgements };
}

/** What a fact says, whatever its word order, inflections and small words: its stems, sorted. */
export const factKey = (stems: readonly string[]): string => [...new Set(stems)].toSorted().join(" ");

function verdictOn(triple: Triple, known: Known): Verdict {
  const said = triple.subject === SOMEONE ? undefined : known.triples.get(tripleKey(triple));
  // One dissenting voice is worth a look, however many agree.
  if (said?.has(triple.negated ? "affirmed" : "denied")) return "contradicted";
  return said === undefined ? "new" : "confirmed";
}
