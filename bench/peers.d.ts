/**
 * The part of the peers' types that the bench uses: they are installed on its first run, and the code
 * is checked without them.
 */
declare module "graphile-worker" {
  export type Logger = { readonly logger: never };
  export const Logger: new (factory: (scope: object) => (level: string, message: string) => void) => Logger;
  export interface TaskSpec {
    readonly priority?: number;
    readonly runAt?: Date;
  }
  export interface WorkerUtils {
    migrate(): Promise<void>;
    addJob(identifier: string, payload: unknown, spec?: TaskSpec): Promise<unknown>;
    addJobs(specs: readonly (TaskSpec & { identifier: string; payload: unknown })[]): Promise<unknown>;
    release(): Promise<void>;
  }
  export function makeWorkerUtils(options: {
    connectionString: string;
    logger: Logger;
    maxPoolSize: number;
  }): Promise<WorkerUtils>;
  export function run(options: {
    logger: Logger;
    noHandleSignals: boolean;
    preset: { worker: Readonly<Record<string, unknown>> };
    taskList: Readonly<Record<string, (payload: unknown) => Promise<void>>>;
    parsedCronItems: readonly never[];
  }): Promise<{ stop(): Promise<void> }>;
}

declare module "pg-boss" {
  export interface JobInsert {
    readonly data?: object;
    readonly priority?: number;
    readonly startAfter?: Date;
  }
  export interface BatchJob<Data> {
    readonly id: string;
    readonly data: Data;
  }
  export interface JobResult {
    readonly id: string;
    readonly status: "completed" | "failed";
    readonly output?: object;
  }
  export class PgBoss {
    constructor(options: {
      connectionString: string;
      max: number;
      useListenNotify: boolean;
      schedule: boolean;
    });
    on(event: "error", listener: (error: Error) => void): this;
    start(): Promise<this>;
    stop(options: { graceful: boolean }): Promise<void>;
    createQueue(name: string, options: { notify: boolean; retryDelay: number }): Promise<void>;
    send(name: string, data: object, options: JobInsert): Promise<string | null>;
    insert(name: string, jobs: readonly JobInsert[]): Promise<unknown>;
    work<Data>(
      name: string,
      options: Readonly<Record<string, unknown>>,
      handler: (jobs: readonly BatchJob<Data>[]) => Promise<unknown>,
    ): Promise<string>;
    offWork(name: string): Promise<void>;
  }
}

declare module "bullmq" {
  import type pg from "pg";
  export interface Backend {
    readonly backend: never;
  }
  export const createPostgresBackend: Backend;
  export function runMigrations(client: pg.Client): Promise<number>;
  export interface JobsOptions {
    readonly priority?: number;
    readonly delay?: number;
  }
  export class Queue<Data> {
    constructor(name: string, options: { connection: unknown; defaultJobOptions: object }, backend?: Backend);
    add(name: string, data: Data, options: JobsOptions): Promise<unknown>;
    addBulk(jobs: readonly { name: string; data: Data; opts: JobsOptions }[]): Promise<unknown>;
    getJobCounts(...states: readonly string[]): Promise<Readonly<Record<string, number>>>;
    close(): Promise<void>;
  }
  export class Worker<Data> {
    constructor(
      name: string,
      processor: (job: { readonly data: Data }) => Promise<void>,
      options: { connection: unknown; concurrency: number },
      backend?: Backend,
    );
    on(event: "error", listener: (error: Error) => void): this;
    waitUntilReady(): Promise<unknown>;
    close(): Promise<void>;
  }
}

declare module "ioredis" {
  export class Redis {
    constructor(options: { host: string; port: number; lazyConnect: boolean });
    info(section: string): Promise<string>;
    disconnect(): void;
  }
}
