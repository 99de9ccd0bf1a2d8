/**
 * Memoizes a verdict that is needed before each request and depends on one value: it is computed once for each value,
 * by identity.
 */
export function judgeOnce<Value extends object>(current: () => Value, judge: (value: Value) => boolean): () => boolean {
  let judged: Value | undefined;
  let verdict = false;
  return () => {
    const value = current();
    if (value !== judged) {
      judged = value;
      verdict = judge(value);
    }
    return verdict;
  };
}
