import type { Pool, PoolClient } from "pg";
import type { AttemptContext, Job } from "../../src/index.ts";
import { enqueueFacts, enqueueTurn } from "./jobs.ts";
import type { JobClient, TurnVersion } from "./jobs.ts";
import type { Memory } from "./memory.ts";
import { categorize } from "./text/categories.ts";
import { retirementReason } from "./text/correction.ts";
import { extractFacts } from "./text/facts.ts";
import { contentStems } from "./text/language.ts";
import { reconcile } from "./text/reconcile.ts";
import { extractTriples, tripleKey } from "./text/triples.ts";
import { vectorOf } from "./text/vector.ts";
import type { Rarity } from "./text/vector.ts";
import { inTransaction } from "./transaction.ts";

/** What the handlers work with. */
export interface Tools {
  readonly client: JobClient;
  readonly pool: Pool;
  readonly memory: Memory;
  /** How often words occur over all that may be remembered. */
  readonly rarity: Rarity;
}

/**
 * The six handlers of the memory. Each does its work in one transaction: it writes its effect,
 * enqueues what follows and completes its job, or nothing of it happened.
 */
export function memoryHandlers({ client, pool, memory, rarity }: Tools) {
  const step =
    <Payload>(effect: (tx: PoolClient, payload: Payload, source: string | undefined) => Promise<void>) =>
    (job: Job<string, Payload>, { complete }: AttemptContext): Promise<void> =>
      inTransaction(pool, async (tx) => {
        await effect(tx, job.payload, job.source);
        await complete(tx);
      });

  /** Reads a turn and keeps it as it is; gives undefined when it was corrected since. */
  const current = async (tx: PoolClient, { turn: id, version }: TurnVersion) => {
    const turn = await memory.turns.find(tx, id);
    return turn.version === version ? turn : undefined;
  };

  return {
    /** Text to facts, and for each fact the jobs that make it findable. */
    extract: step(async (tx, payload: TurnVersion, source) => {
      const turn = await current(tx, payload);
      if (turn === undefined) return;
      const facts = await memory.facts.insert(tx, turn, extractFacts(turn.text));
      await enqueueFacts(client, tx, { facts, source });
    }),

    /** Fact to vector. */
    embed: step(async (tx, { fact }: { fact: string }) => {
      const text = await memory.facts.findText(tx, fact);
      if (text !== undefined) await memory.facts.saveVector(tx, fact, vectorOf(contentStems(text), rarity));
    }),

    /** Fact to labels. */
    categorize: step(async (tx, { fact }: { fact: string }) => {
      const text = await memory.facts.findText(tx, fact);
      if (text !== undefined) await memory.facts.saveLabels(tx, fact, categorize(contentStems(text)));
    }),

    /** Text to triples. */
    relational_extract: step(async (tx, payload: TurnVersion) => {
      const turn = await current(tx, payload);
      if (turn === undefined) return;
      await memory.triples.insert(tx, turn, extractTriples(turn.text, turn.president));
    }),

    /**
     * Facts and triples to memory, once both are there. It decides by what other turns said: of two that
     * say the same at once one must come second, so it waits until nobody else decides about its keys.
     */
    synthesize: step(async (tx, payload: TurnVersion) => {
      const turn = await current(tx, payload);
      if (turn === undefined) return;
      const facts = await memory.facts.ofTurn(tx, turn.id);
      const triples = await memory.triples.ofTurn(tx, turn.id);
      await memory.lock(tx, [...facts.map(({ key }) => key), ...triples.map(tripleKey)]);
      const known = {
        facts: await memory.facts.firstWith(
          tx,
          facts.map(({ key }) => key),
          turn.id,
        ),
        triples: await memory.triples.said(tx, triples, turn.id),
      };
      const synthesis = reconcile(facts, triples, known);
      await memory.facts.markDuplicates(tx, synthesis.duplicates);
      await memory.triples.judge(tx, synthesis.judgements);
      await memory.synthesis.insert(tx, turn, synthesis);
    }),

    /** Corrected text: what came from the old one is retired, and the turn goes through all again. */
    reprocess: step(async (tx, payload: { turn: number; text: string }) => {
      const turn = await memory.turns.correct(tx, payload.turn, payload.text);
      const after = extractFacts(turn.text).map((fact) => fact.text);
      const before = await memory.facts.ofTurn(tx, turn.id);
      // Nobody may find that they repeat a fact that is retired meanwhile.
      await memory.lock(
        tx,
        before.map(({ key }) => key),
      );
      await memory.facts.retire(
        tx,
        before.map(({ id, text }) => ({ fact: id, reason: retirementReason(text, after) })),
      );
      await memory.triples.remove(tx, turn.id);
      await enqueueTurn(client, tx, { turn: turn.id, version: turn.version });
    }),
  };
}
