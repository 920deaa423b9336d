import model from "wink-eng-lite-web-model";
import winkNLP from "wink-nlp";
import type { Detail, ItemEntity, ItemSentence, ItemToken, ItsFunction, PartOfSpeech } from "wink-nlp";

/** One word, number or mark of a sentence. */
export interface Word {
  /** As written. */
  readonly text: string;
  /** Dictionary form (`was` is `be`), lower case except for names. */
  readonly lemma: string;
  /** Porter stem, which folds `tax`, `taxes` and `taxed` together; a number stands for itself. */
  readonly stem: string;
  /** Universal part-of-speech tag, such as `NOUN` or `AUX`. */
  readonly pos: PartOfSpeech;
  /** Whether it carries meaning of its own: a number or a word, not a stop word or a mark. */
  readonly content: boolean;
}

/** A thing that a sentence names. */
export interface Entity {
  /** As written. */
  readonly text: string;
  /** `NAME` for a run of proper nouns, else the model's own type, such as `DATE` or `MONEY`. */
  readonly type: string;
}

/** One sentence, read. */
export interface Sentence {
  /** As written, without surrounding space. */
  readonly text: string;
  /** Its words and marks, in order. */
  readonly words: readonly Word[];
  /** Dates, amounts and the like that the model recognizes. Names are not among them. */
  readonly entities: readonly Entity[];
}

const nlp = winkNLP(model);

// The package declares its helpers with other parameters than `out` asks for; here they meet.
const feature = <T>(name: keyof typeof nlp.its): ItsFunction<T> => nlp.its[name] as unknown as ItsFunction<T>;
const lemmaOf = feature<string>("lemma");
const stemOf = feature<string>("stem");
const posOf = feature<PartOfSpeech>("pos");
const typeOf = feature<string>("type");
const isStopWord = feature<boolean>("stopWordFlag");
const detailOf = feature<Detail>("detail");

/** Finds the sentences of a text and tags their words. Takes about a millisecond per 700 characters. */
export function readSentences(text: string): Sentence[] {
  const sentences: Sentence[] = [];
  nlp
    .readDoc(text)
    .sentences()
    .each((sentence: ItemSentence) => sentences.push(readSentence(sentence)));
  return sentences;
}

/** The stems of the words that say what a text is about, in order, with repetitions. */
export const contentStems = (text: string): string[] =>
  readSentences(text).flatMap(({ words }) => words.filter((word) => word.content).map((word) => word.stem));

function readSentence(sentence: ItemSentence): Sentence {
  const words: Word[] = [];
  const entities: Entity[] = [];
  sentence.tokens().each((token: ItemToken) => words.push(readWord(token, words.at(-1))));
  sentence.entities().each((entity: ItemEntity) => {
    const detail = entity.out(detailOf);
    if (typeof detail !== "string") entities.push({ text: detail.value, type: detail.type });
  });
  return { text: sentence.out().trim(), words, entities };
}

function readWord(token: ItemToken, previous: Word | undefined): Word {
  const type = token.out(typeOf);
  const text = token.out();
  return {
    text,
    lemma: token.out(lemmaOf),
    stem: type === "number" ? text : token.out(stemOf),
    pos: correctedPos(token.out(posOf) as PartOfSpeech, text, previous),
    content: type === "number" || (type === "word" && token.out(isStopWord) === false),
  };
}

// Two mistakes of the tagger that neighbours give away: it takes the last word of "Social Security
// Act" for a verb in spite of its capital, and the second of "on expanded trade".
function correctedPos(pos: PartOfSpeech, text: string, previous: Word | undefined): PartOfSpeech {
  if (previous?.pos === "PROPN" && /^[A-Z][a-z]+$/.test(text)) return "PROPN";
  const modifies = previous?.pos === "DET" || previous?.pos === "ADP";
  return pos === "VERB" && modifies && text.endsWith("ed") ? "ADJ" : pos;
}
