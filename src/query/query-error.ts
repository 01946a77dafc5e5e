/** What is wrong with a query itself: not with the log, and not with the moment. */
export class QueryError extends Error {
  override name = 'QueryError';
  readonly code: 'invalid_query' | 'invalid_cursor';
  /** Of the character in the expression that it is about; undefined when it is about something else. */
  readonly position: number | undefined;

  constructor(
    message: string,
    position?: number,
    code: 'invalid_query' | 'invalid_cursor' = 'invalid_query',
  ) {
    super(message);
    this.position = position;
    this.code = code;
  }
}
