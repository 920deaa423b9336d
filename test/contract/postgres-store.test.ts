import { usePostgres } from "../support/postgres.ts";
import { postgresSetup } from "./postgres-subject.ts";
import { storeContract } from "./store-contract.ts";

const database = usePostgres();

storeContract("Postgres", postgresSetup(database));
