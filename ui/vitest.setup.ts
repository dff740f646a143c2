import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/svelte";
import { afterEach } from "vitest";

// What comes is waited for, also on a computer that has other things to do.
configure({ asyncUtilTimeout: 10_000 });

afterEach(cleanup);
