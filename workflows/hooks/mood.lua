-- Solemn recordings are played slowly, and without drums unless the style is made of them.
if stem.vars.mood == 'solemn' and not tags:find('drums', 1, true) then
  change{tags = tags .. ', slow', negative_tags = negative_tags .. ', drums'}
end
