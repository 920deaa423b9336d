import type { Pool, PoolClient } from "pg";

/** How much a transaction sees of others; see "Transaction Isolation" in the Postgres manual. */
export type Isolation = "read committed" | "serializable";

const BEGIN: Readonly<Record<Isolation, string>> = {
  "read committed": "begin isolation level read committed",
  // A sequential scan conflicts with every write to its table, an index scan with those nearby.
  serializable: "begin isolation level serializable; set local enable_seqscan = off",
};

/**
 * Does some work in a transaction: commits what it did, or rolls it back and rejects as it did.
 * A serializable one may also reject at the commit, with SQLSTATE 40001.
 */
export async function inTransaction<T>(
  pool: Pool,
  work: (tx: PoolClient) => Promise<T>,
  isolation: Isolation = "read committed",
): Promise<T> {
  const tx = await pool.connect();
  try {
    await tx.query(BEGIN[isolation]);
    const result = await work(tx);
    await tx.query("commit");
    tx.release();
    return result;
  } catch (error) {
    // A connection that cannot roll back is of no use to the next transaction.
    await tx.query("rollback").then(
      () => tx.release(),
      () => tx.release(true),
    );
    throw error;
  }
}
