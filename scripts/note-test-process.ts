/** Setup for every test file: records the process id for `check.ts`, which looks for what this process left behind. */
import { appendFileSync } from "node:fs";

const ledger = process.env["ENTENTE_CHECK_LEDGER"];
if (ledger !== undefined) appendFileSync(ledger, `${process.pid}\n`);
