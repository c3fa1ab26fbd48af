"""From the shop to IMSHOP: a poll compares what the shop shows with what was seen (`poll`, `full_compare`, `diff`,
`staging`), and delivery pushes what differs (`deliver`). START HERE: `poll`, then `deliver`."""
