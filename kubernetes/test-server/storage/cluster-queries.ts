/** What is asked of a test cluster. */
export interface SelectionQuery {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface PageQuery extends SelectionQuery {
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
}

export interface StoreOptions {
  readonly subresource?: "status" | undefined;
  readonly dryRun?: boolean | undefined;
  /** Who owns the written fields. @default "unknown" */
  readonly fieldManager?: string | undefined;
}

export interface ApplyStoreOptions extends StoreOptions {
  /** Takes fields of other managers over. */
  readonly force?: boolean | undefined;
}

export interface Deletion {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly dryRun?: boolean | undefined;
}
