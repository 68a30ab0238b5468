/** Text frames of the Group Protocol Stack, against the published package and its bare cipher. */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const LENGTHS = [32, 160, 1_024, 16_384]
const BOUNDS = { must: 5, aim: 20 }

const PUBLISHED = 'gbp-stack 1.9.1, from Python'
const BARE = 'the bare AEAD in a loop, from Rust'

/** Ours by what it is called, and whether the goal is about it: the same calls, and the same bytes by our own. */
const FORMS = [
  { form: 'compat', what: "by the published package's calls", gated: true },
  { form: 'interop', what: 'by a node of the same profile', gated: true },
  { form: 'interop', suffix: 'Batch', what: 'by a node of the same profile, 50 under way', gated: true },
  { form: 'interop', suffix: 'All', what: 'by a node of the same profile, 50 a call', gated: true },
  { form: 'sealed', what: 'by a node, authenticated' },
  { form: 'sealed', suffix: 'Batch', what: 'by a node, authenticated, 50 under way' },
  { form: 'sealed', suffix: 'All', what: 'by a node, authenticated, 50 a call' },
]

export const suite = {
  name: 'text-frames',
  title: 'Text frames of the Group Protocol Stack',
  goals: ['P14'],

  async run({ commands, rounds, quick }) {
    const rows = []
    for (const length of quick ? LENGTHS.slice(0, 2) : LENGTHS) {
      const options = { length, messages: 1_000, batches: quick ? 2 : 6 }
      const measured = await interleave(
        {
          ours: commands.textFrames(options),
          published: commands.gbpStack(options),
          bare: commands.bareLoop({ ...options, messages: 20_000, chacha: true }),
        },
        rounds,
      )
      for (const operation of ['seal', 'open']) {
        rows.push(...FORMS.map((form) => againstPublished(form, operation, length, measured)))
        rows.push(againstBare(operation, length, measured))
      }
    }
    return rows
  },
}

const oursOf = ({ form, suffix = '' }, operation) =>
  `${form}${operation.charAt(0).toUpperCase()}${operation.slice(1)}${suffix}`

function againstPublished(form, operation, length, measured) {
  return row({
    goal: form.gated ? 'P14' : undefined,
    suite: suite.name,
    what: `${operation} ${form.what}, ${length} B`,
    ours: measured.of('ours', oursOf(form, operation)),
    peer: measured.of('published', operation),
    peerName: PUBLISHED,
    unit: 'µs',
    measure: 'times as fast',
    ...(form.gated ? BOUNDS : {}),
  })
}

function againstBare(operation, length, measured) {
  return row({
    suite: suite.name,
    what: `${operation} by the published package's calls, ${length} B`,
    ours: measured.of('ours', oursOf({ form: 'compat' }, operation)),
    peer: measured.of('bare', operation),
    peerName: BARE,
    unit: 'µs',
    measure: 'times as fast',
  })
}
