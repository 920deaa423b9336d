import { readSentences } from "./language.ts";
import type { Sentence } from "./language.ts";
import { phrasesOf } from "./phrases.ts";
import type { NounPhrase, Phrase, VerbPhrase } from "./phrases.ts";

/** Who does what to whom. */
export interface Triple {
  /** Which sentence of its turn, from 0. */
  readonly sentence: number;
  /** Who acts. `someone` where a passive sentence does not say. */
  readonly subject: string;
  /** What they do, in dictionary form, with its preposition if it has one: `depend on`. */
  readonly verb: string;
  /** To what or whom. */
  readonly object: string;
  /** Whether the sentence denies it. */
  readonly negated: boolean;
}

/** Who acts in a passive sentence that does not say. */
export const SOMEONE = "someone";

/**
 * Finds subject–verb–object triples in a text. Passives are turned round ("the treaty was ratified
 * by the Senate" is Senate–ratify–treaty), "I" becomes `speaker`, two verbs may share a subject.
 * Questions and suppositions state nothing and give nothing; so do words that only point, as "it".
 */
export function extractTriples(text: string, speaker: string): Triple[] {
  const triples = readSentences(text).flatMap((sentence, index) =>
    triplesOf(sentence).map((triple) => ({
      sentence: index,
      subject: named(triple.subject, speaker),
      verb: triple.verb,
      object: named(triple.object, speaker),
      negated: triple.negated,
    })),
  );
  return [...new Map(triples.map((triple) => [`${triple.negated} ${tripleKey(triple)}`, triple])).values()];
}

/** What two triples have in common that say the same, or the opposite, of the same. */
export const tripleKey = ({ subject, verb, object }: Pick<Triple, "subject" | "verb" | "object">): string =>
  [subject, verb, object].join(" | ").toLowerCase();

const named = (text: string, speaker: string): string =>
  text === "I" ? speaker : text === "We" ? "we" : text;

function triplesOf(sentence: Sentence): Omit<Triple, "sentence">[] {
  if (sentence.text.endsWith("?")) return [];
  const phrases = phrasesOf(sentence.words);
  return phrases.flatMap((phrase, at) => {
    if (phrase.type !== "verb" || !phrase.finite) return [];
    const subject = subjectOf(phrases, at);
    if (subject === undefined || !isNamed(subject)) return [];
    const after = phrases.slice(at + 1);
    const triple = phrase.passive
      ? passiveTriple(subject, phrase, after)
      : activeTriple(subject, phrase, after);
    return triple === undefined ? [] : [triple];
  });
}

function activeTriple(subject: NounPhrase, verb: VerbPhrase, after: readonly Phrase[]) {
  const [object, next] = after;
  // "will sign and enforce the law": the first verb shares the object of the second.
  if (object?.type === "and" && next?.type === "verb") return activeTriple(subject, verb, after.slice(2));
  if (!isObject(object, next)) return undefined;
  return {
    subject: subject.text,
    verb: object.preposition === undefined ? verb.text : `${verb.text} ${object.preposition}`,
    object: object.text,
    negated: verb.negated || subject.negated || object.negated,
  };
}

function passiveTriple(subject: NounPhrase, verb: VerbPhrase, after: readonly Phrase[]) {
  const end = after.findIndex((phrase) => !isNoun(phrase));
  const agent = after
    .slice(0, end === -1 ? after.length : end)
    .filter(isNoun)
    .find((phrase) => phrase.preposition === "by" && isNamed(phrase));
  return {
    subject: agent?.text ?? SOMEONE,
    verb: verb.text,
    object: subject.text,
    negated: verb.negated || subject.negated,
  };
}

/** Walks left from a verb to whoever does it. */
function subjectOf(phrases: readonly Phrase[], verb: number): NounPhrase | undefined {
  let behindRelative = false;
  let behindComma = false;
  for (let at = verb - 1; at >= 0; at -= 1) {
    const phrase = phrases[at];
    const before = phrases[at - 1];
    if (phrase === undefined || phrase.type === "clause" || phrase.type === "condition") return undefined;
    // "will sign and enforce": the second verb takes over the subject of the first.
    if (phrase.type === "and" && at === verb - 1) return subjectOf(phrases, verbBefore(phrases, at));
    behindRelative ||= phrase.type === "relative";
    behindComma ||= phrase.type === "comma";
    if (phrase.type === "verb" && !isAside(phrases, at)) return undefined;
    if (!isNoun(phrase) || (before?.type === "verb" && isAside(phrases, at - 1))) continue;
    if (behindRelative || phrase.preposition === undefined) {
      const belongsElsewhere = before?.type === "condition" || (behindComma && before?.type === "verb");
      return belongsElsewhere ? undefined : phrase;
    }
  }
  return undefined;
}

// In "the plan to raise revenue failed" and "the men who built railroads earned" the words between
// subject and verb form a clause of their own, whose noun is not the subject.
function isAside(phrases: readonly Phrase[], at: number): boolean {
  const phrase = phrases[at];
  return phrase?.type === "verb" && (!phrase.finite || phrases[at - 1]?.type === "relative");
}

const verbBefore = (phrases: readonly Phrase[], before: number): number =>
  phrases.findLastIndex((phrase, at) => at < before && phrase.type === "verb" && phrase.finite);

const isNoun = (phrase: Phrase | undefined): phrase is NounPhrase => phrase?.type === "noun";

// "I" and "we" say who they are; "it" and "those" do not.
const isNamed = (phrase: NounPhrase): boolean => !phrase.pronoun || /^(?:I|we)$/i.test(phrase.text);

// In "we believe the law works" the law is what works, not what is believed.
const isObject = (phrase: Phrase | undefined, next: Phrase | undefined): phrase is NounPhrase =>
  (phrase?.type === "noun" || phrase?.type === "quality") &&
  !phrase.pronoun &&
  !(phrase.preposition === undefined && next?.type === "verb" && next.finite);
