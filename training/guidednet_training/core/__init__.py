"""What things are: geometry, volumes, labels, cases, projects, specs, bundles. No torch."""
