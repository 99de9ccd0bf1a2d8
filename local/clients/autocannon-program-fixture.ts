/** For tests: autocannon in the client's pod, for a fixed number of requests. Prints its counts as JSON. */
import autocannon from "autocannon";

export interface AutocannonJob {
  readonly url: string;
  readonly connections: number;
  readonly amount: number;
}

export interface AutocannonReport {
  /** The number of responses per status. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly failures: number;
}

const job: AutocannonJob = JSON.parse(process.argv[2] ?? "{}");
// autocannon checks for its end only at a sample.
const { statusCodeStats = {}, errors, timeouts, mismatches } = await autocannon({ ...job, sampleInt: 50 });
const statuses = Object.fromEntries(Object.entries(statusCodeStats).map(([status, { count = 0 }]) => [status, count]));
process.stdout.write(JSON.stringify({ statuses, failures: errors + timeouts + mismatches } satisfies AutocannonReport));
