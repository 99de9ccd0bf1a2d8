import { Counter, Histogram, Registry } from "prom-client";
import type { Clock } from "../mesh/runtime.ts";
import { createMetricsSource } from "../net/metrics/metrics-page.ts";
import { createScrapes, type Scrapes } from "../net/metrics/scrapes.ts";

/** Istio's metrics of sidecar injection and of validation, in a separate registry. */
export interface InjectorMetrics {
  /** Records a new request; `finish` counts its outcome and duration. */
  start(): { finish(outcome: InjectionResult): void };
  /** Counts a resource's validation. */
  validated(outcome: "passed" | "failed"): void;
  readonly scrapes: Scrapes;
}

export type InjectionResult = "injected" | "skipped" | "failed";

const DURATION_BUCKETS_S = [0.1, 1, 3, 5, 10, 20, 30, 60];

export function createInjectorMetrics(clock: Clock): InjectorMetrics {
  const registry = new Registry();
  const counter = (name: string, help: string) => new Counter({ name, help, registers: [registry] });
  const requests = counter("sidecar_injection_requests_total", "Total number of sidecar injection requests.");
  const results = {
    injected: counter("sidecar_injection_success_total", "Total number of successful sidecar injection requests."),
    skipped: counter("sidecar_injection_skip_total", "Total number of skipped sidecar injection requests."),
    failed: counter("sidecar_injection_failure_total", "Total number of failed sidecar injection requests."),
  };
  const validations = {
    passed: counter("galley_validation_passed", "Resources that passed validation."),
    failed: counter("galley_validation_failed", "Resources that failed validation."),
  };
  const duration = new Histogram({
    name: "sidecar_injection_time_seconds",
    help: "Total time taken for sidecar injection, in seconds.",
    buckets: DURATION_BUCKETS_S,
    registers: [registry],
  });
  return {
    validated: (outcome) => validations[outcome].inc(),
    scrapes: createScrapes({ source: createMetricsSource({ registry }), clock }),
    start: () => {
      const startMs = clock.monotonicMs();
      requests.inc();
      return {
        finish: (outcome) => {
          results[outcome].inc();
          duration.observe((clock.monotonicMs() - startMs) / 1000);
        },
      };
    },
  };
}
