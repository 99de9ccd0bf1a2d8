/** The same function, which keeps the result for the last value until it is called with another object. */
export function rememberLast<Value, Result>(compute: (value: Value) => Result): (value: Value) => Result {
  let last: { readonly value: Value; readonly result: Result } | undefined;
  return (value) => {
    if (last === undefined || last.value !== value) last = { value, result: compute(value) };
    return last.result;
  };
}
