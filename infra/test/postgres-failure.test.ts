import { expect, test } from "vitest";
import { postgresFailure } from "../local/postgres-failure.ts";

const at = "2026-03-01 12:00:00.000 UTC [42]";

test("the error is named, and not what was logged after it nor the statement with its password", () => {
  const output = `${at} LOG:  database system was shut down
${at} ERROR:  role "holdfast_app" cannot be altered
${at} STATEMENT:  do $$ begin
	  raise 'ERROR:  hunter2'; end $$; alter role holdfast_app password 'hunter2'
${at} LOG:  checkpoint complete: wrote 3 buffers
`;
  expect(postgresFailure(output)).toBe('role "holdfast_app" cannot be altered');
});

test("of several errors it is the last one", () => {
  expect(postgresFailure(`${at} ERROR:  first\n${at} FATAL:  second\n${at} LOG:  shutting down`)).toBe("second");
});

test("a program that fails before it logs is quoted", () => {
  expect(postgresFailure("postgres: could not access directory\nRun initdb or pg_basebackup\n")).toBe(
    "could not access directory",
  );
  expect(postgresFailure('initdb: error: invalid locale name "xx"\ninitdb: hint: another one\n')).toBe(
    'error: invalid locale name "xx"',
  );
});

test.each(["", `${at} STATEMENT:  alter role holdfast_app password 'hunter2'\n`])(
  "nothing is made up of %j",
  (output) => {
    expect(postgresFailure(output)).toBe("it does not say why");
  },
);
