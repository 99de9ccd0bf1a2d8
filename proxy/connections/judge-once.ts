/**
 * A judgement that is asked for before each request, and that depends on one value: it is made once for each value, by
 * identity, and remembered.
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
