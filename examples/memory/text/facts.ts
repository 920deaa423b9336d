import { readSentences } from "./language.ts";
import type { Entity, Sentence, Word } from "./language.ts";

/** One thing that a turn states. */
export interface Fact {
  /** Which sentence of its turn, from 0. */
  readonly sentence: number;
  /** The sentence, without heading or salutation. */
  readonly text: string;
  /** The names, dates, sums and shares in it, each once. */
  readonly entities: readonly Entity[];
}

/** Fewer content words than this, and a sentence says nothing by itself ("That must change."). */
const FEWEST_CONTENT_WORDS = 3;

/** The model's other types ("first", "one", "tonight") tell little apart from their sentence. */
const MEASURES = new Set(["DATE", "MONEY", "PERCENT"]);

/** "II. FIGHTING INFLATION But recession …": the printed speeches carry their headings inline. */
const HEADING = /^(?:[IVX]+\.\s+)?(?:[A-Z][A-Z'’-]+\s+){2,}(?=[A-Z][a-z]|I\s|A\s)/;

/** "Mr. Speaker, …:" and "Fellow-Citizens of the Senate …:" before the first statement. */
const SALUTATION =
  /^(?:(?:To the|Fellow|Mr\.|Mister|Madam|Members)\b[^:]{0,250}|[^:]{0,100}\bfellow[ -][Cc]itizens): /;

/**
 * Makes each statement of a text into a fact. Questions, exclamations, greetings and sentences
 * that lean wholly on their neighbours are left out.
 */
export function extractFacts(text: string): Fact[] {
  return readSentences(text).flatMap((sentence, index) =>
    isStatement(sentence)
      ? [{ sentence: index, text: bare(sentence.text), entities: entitiesOf(sentence) }]
      : [],
  );
}

/**
 * Finds what a sentence names: the model's dates, sums and shares, and runs of proper nouns,
 * joined over "of" and "of the" ("the Secretary of the Navy" is one name).
 */
export function entitiesOf(sentence: Sentence): Entity[] {
  const measures = sentence.entities.filter((entity) => MEASURES.has(entity.type));
  const names = namesIn(sentence.words).filter(
    // "July" adds nothing to "July 12th, 1822".
    (name) => !measures.some((measure) => measure.text.includes(name)),
  );
  const entities = [...names.map((text) => ({ text, type: "NAME" })), ...measures];
  return [...new Map(entities.map((entity) => [entity.text.toLowerCase(), entity])).values()];
}

const isStatement = ({ text, words }: Sentence): boolean =>
  /[.;:]["”’)]?$/.test(text) &&
  words.some((word) => word.pos === "VERB" || word.pos === "AUX") &&
  words.filter((word) => word.content).length >= FEWEST_CONTENT_WORDS;

const bare = (text: string): string => text.replace(HEADING, "").replace(SALUTATION, "");

// The capital of a first word makes the tagger see a name in "Stricter border enforcement".
function namesIn(words: readonly Word[]): string[] {
  const names: string[] = [];
  let name: string[] = [];
  let link: string[] = [];
  for (const [index, word] of words.entries()) {
    if (word.pos === "PROPN" && !(index === 0 && words[1]?.pos === "NOUN")) {
      name = [...name, ...link, word.text];
      link = [];
    } else if (name.length > 0 && linksNames(word, link)) {
      link = [...link, word.text];
    } else {
      if (name.length > 0) names.push(name.join(" "));
      name = [];
      link = [];
    }
  }
  return name.length > 0 ? [...names, name.join(" ")] : names;
}

const linksNames = (word: Word, link: readonly string[]): boolean =>
  (word.text === "of" && link.length === 0) || (word.text === "the" && link.at(-1) === "of");
