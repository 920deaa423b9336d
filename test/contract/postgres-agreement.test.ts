import { usePostgres } from "../support/postgres.ts";
import { postgresSetup } from "./postgres-subject.ts";
import { storeAgreement } from "./store-agreement.ts";

const database = usePostgres();

storeAgreement("Postgres", postgresSetup(database));
