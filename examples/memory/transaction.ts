import type { Pool, PoolClient } from "pg";

/** Does some work in a transaction: commits what it did, or rolls it back and rejects as it did. */
export async function inTransaction<T>(pool: Pool, work: (tx: PoolClient) => Promise<T>): Promise<T> {
  const tx = await pool.connect();
  try {
    await tx.query("begin isolation level read committed");
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
