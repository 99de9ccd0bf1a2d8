/** Set up for every test file: notes its process's id for `check.ts`, which looks for what this process has left. */
import { appendFileSync } from "node:fs";

const ledger = process.env["ENTENTE_CHECK_LEDGER"];
if (ledger !== undefined) appendFileSync(ledger, `${process.pid}\n`);
