-- Solemn recordings are played slowly and without drums.
if stem.vars.mood == 'solemn' then
  change{tags = tags .. ', slow', negative_tags = negative_tags .. ', drums'}
end
