import type { Word } from "./language.ts";

/** A noun phrase: "the Government of Mexico", or what something is said to be: "strong". */
export interface NounPhrase {
  readonly type: "noun" | "quality";
  /** Without articles and owners, nouns in dictionary form: "government of Mexico". */
  readonly text: string;
  /** The word that subordinates it, such as "with" or "by", lower case; undefined for none. */
  readonly preposition: string | undefined;
  /** Whether it only points at something, as "it" and "those" do. */
  readonly pronoun: boolean;
  /** Whether it denies its clause: "no law prohibits …". */
  readonly negated: boolean;
}

/** A verb with its auxiliaries: "has not been ratified". */
export interface VerbPhrase {
  readonly type: "verb";
  /** Dictionary form of the verb, joined over "to": "continue to support". */
  readonly text: string;
  /** Whether its subject is acted upon. */
  readonly passive: boolean;
  /** Whether it is denied, as by "not" or "never". */
  readonly negated: boolean;
  /** Whether it can have a subject of its own: "to provide" and "providing" cannot. */
  readonly finite: boolean;
}

/**
 * What stands between phrases: `relative` is "which" or "who", `and` may join two verbs of one
 * subject, `condition` makes what follows a supposition, `clause` starts anew.
 */
export interface Boundary {
  readonly type: "relative" | "and" | "comma" | "condition" | "clause";
}

/** A piece of a sentence. */
export type Phrase = NounPhrase | VerbPhrase | Boundary;

// Every word becomes one letter (see `letterOf`), so that phrases are regular expressions.
const ADJECTIVES = "(?:R?A(?:[hC](?=[AN]))?|N[hs])*";
const NOUN = `[Dd]*${ADJECTIVES}N+(?:[hs]+${ADJECTIVES}N+)*`;

/** What the words at some place may be, in the order in which to ask. */
const PHRASES: readonly { pattern: RegExp; read: (words: readonly Word[]) => Phrase }[] = [
  { pattern: /T?[Rn]*(?:X[Rn]*)*V(?:[Rn]*T[Rn]*V)*|X(?:[Rn]*X)*n?/y, read: readVerb },
  { pattern: new RegExp(`${NOUN}(?:O${NOUN})*`, "y"), read: readNoun("thing") },
  { pattern: /[PDd]/y, read: readNoun("pointer") },
  { pattern: /R*A/y, read: readNoun("quality") },
  { pattern: /W/y, read: () => ({ type: "relative" }) },
  { pattern: /C/y, read: () => ({ type: "and" }) },
  { pattern: /,/y, read: () => ({ type: "comma" }) },
  { pattern: /\?/y, read: () => ({ type: "condition" }) },
  { pattern: /[S.]/y, read: () => ({ type: "clause" }) },
];

/** Cuts a tagged sentence into noun phrases, verb phrases and what stands between them. */
export function phrasesOf(words: readonly Word[]): Phrase[] {
  const letters = words.map(letterOf).join("");
  const phrases: Phrase[] = [];
  let preposition: string | undefined;
  for (let at = 0; at < letters.length;) {
    const [phrase, length] = phraseAt(at, letters, words);
    if (phrase !== undefined) phrases.push("preposition" in phrase ? { ...phrase, preposition } : phrase);
    preposition = /[IO]/.test(letters.charAt(at)) ? words[at]?.text.toLowerCase() : undefined;
    at += length;
  }
  return phrases;
}

function phraseAt(at: number, letters: string, words: readonly Word[]): [Phrase | undefined, number] {
  for (const { pattern, read } of PHRASES) {
    pattern.lastIndex = at;
    const length = pattern.exec(letters)?.[0].length ?? 0;
    if (length > 0) return [read(words.slice(at, at + length)), length];
  }
  return [undefined, 1];
}

function readVerb(words: readonly Word[]): VerbPhrase {
  const verbs = words.filter((word) => word.pos === "VERB");
  const auxiliaries = words.filter((word) => word.pos === "AUX");
  const main = verbs.length > 0 ? verbs : auxiliaries.slice(-1);
  const progressive = verbs[0]?.text.endsWith("ing") ?? false;
  return {
    type: "verb",
    text: main.map((word) => word.lemma.toLowerCase()).join(" to "),
    passive: verbs.length > 0 && !progressive && auxiliaries.some((word) => word.lemma === "be"),
    negated: words.some(isNegation),
    finite: auxiliaries.length > 0 || (!progressive && words[0]?.text.toLowerCase() !== "to"),
  };
}

function readNoun(kind: "thing" | "pointer" | "quality") {
  return (words: readonly Word[]): NounPhrase => ({
    type: kind === "quality" ? "quality" : "noun",
    text: words.filter(isTelling).map(plainText).join(" ").replaceAll(" - ", "-"),
    preposition: undefined,
    pronoun: kind === "pointer",
    negated: words.some((word) => letterOf(word) === "d"),
  });
}

const isNegation = (word: Word): boolean => /^(?:not|n['’]t|never|cannot)$/i.test(word.text);

// Articles and owners change between two tellings of one thing.
const isTelling = (word: Word): boolean =>
  word.pos !== "DET" && !POSSESSIVE.test(word.text) && word.text !== ",";

function plainText(word: Word): string {
  if (word.pos === "PROPN" || word.pos === "PRON") return word.text;
  return word.pos === "ADJ" ? word.text.toLowerCase() : word.lemma;
}

const POSSESSIVE = /^(?:my|our|your|his|her|its|their|whose)$/i;

const LETTERS: Readonly<Partial<Record<Word["pos"], string>>> = {
  ADJ: "A",
  ADP: "I",
  ADV: "R",
  AUX: "X",
  CCONJ: "C",
  DET: "D",
  NOUN: "N",
  NUM: "N",
  PRON: "P",
  PROPN: "N",
  SCONJ: "S",
  SYM: "N",
  VERB: "V",
};

/** One letter for what a word does: its part of speech, or more where that is too coarse. */
function letterOf(word: Word): string {
  const text = word.text.toLowerCase();
  if (isNegation(word)) return "n";
  if (/^(?:no|neither)$/.test(text)) return "d";
  if (/^(?:if|unless|whether)$/.test(text)) return "?";
  if (/^(?:who|whom|which)$/.test(text) || (text === "that" && word.pos === "PRON")) return "W";
  if (/^['’]s?$/.test(text)) return "s";
  if (/^[-–]$/.test(text)) return "h";
  if (/^["“”()]$/.test(text)) return "_";
  if (text === ",") return ",";
  if (text === "of") return "O";
  if (text === "to" && word.pos === "PART") return "T";
  if (POSSESSIVE.test(text)) return "D";
  return LETTERS[word.pos] ?? ".";
}
